import { randomUUID } from 'node:crypto'
import { Cluster } from '#ioredis'
import type { Channels } from '../bus/channels.js'
import { createDropReporter, type DropReport } from '../bus/drop-reporter.js'
import { openChannels } from '../bus/open-channels.js'
import { createPublisher, type PublishText } from '../bus/publisher.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import type { RedisClient } from '../redis/client.js'
import { createControlKeys } from '../redis/keys.js'
import type { Identity } from '../tokens/identity.js'
import type { Control, ControlHandlers, Revocation, RevocationTarget } from './control.js'
import { createControlState, type ControlState } from './control-state.js'
import { createControlStore, type ControlStore } from './control-store.js'
import { createKeptOrders, type KeptOrders } from './kept-orders.js'
import { KeptReader } from './kept-reader.js'
import { keepRevocationForMs, revocationFrom } from './lifetime.js'
import { parseControlMessage, type ControlMessage } from './messages.js'
import { ReloadLoop } from './reload-loop.js'

type Unreadable = 'control_message' | 'kept_revocation' | 'kept_order'

export interface RedisControlOptions {
  /** Not closed by the control. */
  readonly client: RedisClient
  readonly prefix: string
  /** Longest that an accepted token may live, in ms. Revocations are kept for this time. */
  readonly maxTokenLifetimeMs: number
  /** Messages or kept entries that this version cannot read: at most one report in 10 s. */
  readonly onInvalid?: (drops: DropReport<Unreadable>) => void
  /** The user of Redis has no right to the channel of orders. */
  readonly onRefused?: (error: unknown) => void
  /** Time between two readings of all that is kept, in ms. */
  readonly reloadEveryMs?: number
  /** How long an order or a reading may take, in ms. */
  readonly timeoutMs?: number
  readonly now?: () => number
}

const RELOAD_EVERY_MS = 30_000
const TIMEOUT_MS = 1000

/** Control over Redis: kept there first, then published on `<prefix>ws:control`; read anew on reconnect and every 30 s. */
export function createRedisControl (options: RedisControlOptions): Control {
  return new RedisControl(options)
}

/** Its public parts are bound: they are passed on one by one, as those of every `Control` may be. */
class RedisControl implements Control {
  private readonly from = randomUUID()
  private readonly channel: string
  private readonly maxTokenLifetimeMs: number
  private readonly timeoutMs: number
  private readonly now: () => number
  private readonly drop: (reason: Unreadable) => void
  private readonly state: ControlState
  private readonly store: ControlStore
  private readonly keptOrders: KeptOrders
  private readonly reader: KeptReader
  private readonly reloading: ReloadLoop
  private readonly publishText: PublishText
  private readonly channels: Channels
  private listened = false
  private denied = false
  private closed = false

  constructor (options: RedisControlOptions) {
    const { client, prefix, timeoutMs = TIMEOUT_MS, now = Date.now } = options
    this.channel = createControlKeys(prefix).channel
    this.maxTokenLifetimeMs = options.maxTokenLifetimeMs
    this.timeoutMs = timeoutMs
    this.now = now
    this.drop = createDropReporter<Unreadable>((drops) => options.onInvalid?.(drops), now)
    this.state = createControlState(now)
    this.store = createControlStore({ client, prefix, timeoutMs, onUnreadable: () => { this.drop('kept_revocation') } })
    this.keptOrders = createKeptOrders({ client, prefix, timeoutMs, onUnreadable: () => { this.drop('kept_order') } })
    this.reader = new KeptReader({ state: this.state, store: this.store, keptOrders: this.keptOrders, timeoutMs })
    this.reloading = new ReloadLoop(async () => await this.reader.reload(), options.reloadEveryMs ?? RELOAD_EVERY_MS)
    this.publishText = createPublisher(client, timeoutMs)
    // On a cluster back ends may use either kind of publishing.
    this.channels = openChannels(client, client instanceof Cluster ? ['subscribe', 'ssubscribe'] : ['subscribe'], {
      onMessage: (_channel, payload) => { this.hear(payload) },
      onConfirmed: (confirmed) => { if (confirmed.length > 0) this.catchUp() },
      onRefused: (_channels, error) => {
        this.denied = true
        options.onRefused?.(error)
      },
      onLost: () => { /* comes back by itself */ }
    })
  }

  get loaded (): boolean { return this.reader.loaded }

  /** A lost connection comes back by itself, so it changes nothing here. */
  get listening (): boolean { return this.listened && !this.denied }

  readonly start = (handlers: ControlHandlers): void => {
    this.state.start(handlers)
    this.reader.start()
    this.channels.want(this.channel)
    this.reloading.readSoon()
  }

  readonly isRevoked = (identity: Identity): boolean => this.state.isRevoked(identity)

  readonly bannedForMs = (address: string): number => this.state.bannedForMs(address)

  readonly revoke = async (asked: Revocation): Promise<void> => {
    const revocation = revocationFrom(asked, this.now())
    const durationMs = keepRevocationForMs(revocation, this.maxTokenLifetimeMs, this.now())
    const message: ControlMessage = { type: 'revoke', revocation, duration_ms: durationMs }
    await this.order(message, async () => { await this.store.keepRevocation(revocation, durationMs) })
  }

  readonly unrevoke = async (target: RevocationTarget): Promise<void> => {
    await this.order({ type: 'unrevoke', target }, async () => { await this.store.dropRevocations(target) })
  }

  readonly ban = async (address: string, durationMs: number): Promise<void> => {
    await this.order({ type: 'ban', address, duration_ms: durationMs }, async () => { await this.store.keepBan(address, durationMs) })
  }

  readonly unban = async (address: string): Promise<void> => {
    await this.order({ type: 'unban', address }, async () => { await this.store.dropBan(address) })
  }

  readonly disconnect = async (userId: string): Promise<void> => {
    await this.order({ type: 'disconnect', order_id: randomUUID(), user_id: userId }, this.keptOrders.keep)
  }

  readonly recheck = async (userId: string | null): Promise<void> => {
    await this.order({ type: 'recheck', order_id: randomUUID(), user_id: userId }, this.keptOrders.keep)
  }

  readonly close = async (): Promise<void> => {
    this.closed = true
    this.reloading.close()
    this.reader.close()
    this.channels.close()
  }

  private hear (payload: Buffer): void {
    const message = parseControlMessage(payload)
    if (message === null) this.drop('control_message')
    else if (message.from !== this.from) this.state.perform(message)
  }

  /** What was ordered before this moment may have been missed. */
  private catchUp (): void {
    // Every confirmation but the first follows a loss, and what back ends published meanwhile is kept nowhere.
    if (this.listened) this.state.perform({ type: 'recheck' })
    this.listened = true
    this.denied = false
    this.reloading.readSoon()
  }

  /** Keeps it, does it here, and tells the others: in this order, so that nothing is done here that the others cannot find. */
  private async order (message: ControlMessage, keep: (text: string) => Promise<void>): Promise<void> {
    if (this.closed) throw new Error('control is closed')
    const text = JSON.stringify({ v: 1, from: this.from, ...message })
    await waitAtMost(keep(text), this.timeoutMs, 'keeping an order')
    this.state.perform(message)
    await this.publishText(this.channel, text)
  }
}
