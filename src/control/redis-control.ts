import { randomUUID } from 'node:crypto'
import { Cluster } from '#ioredis'
import type { Channels } from '../bus/channels.js'
import { createDropReporter, type DropReport, type DropReporter } from '../bus/drop-reporter.js'
import { openChannels } from '../bus/open-channels.js'
import { createPublisher, type PublishText } from '../bus/publisher.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import type { RedisClient } from '../redis/client.js'
import { createControlKeys } from '../redis/keys.js'
import type { Identity } from '../tokens/identity.js'
import { createBanMarks, type BanMarks } from './ban-marks.js'
import type { Control, ControlHandlers, ListedBan, ListedRevocation, Page, PageRequest, Revocation, RevocationTarget } from './control.js'
import { createControlState, type ControlState } from './control-state.js'
import { findStanding } from './find-standing.js'
import { createKeptOrders, type KeptOrders } from './kept-orders.js'
import { KeptReader } from './kept-reader.js'
import { revocationLastsMs } from './lifetime.js'
import { createOrderLists } from './list-orders.js'
import { parseControlMessage, type ControlMessage, type PassingOrder } from './messages.js'
import { createOrderBook, type Given, type OrderBook } from './order-book.js'
import { entriesOf, toMessage } from './order-messages.js'
import { createOrderReports, type HeardOrder, type OrderReports } from './order-reports.js'
import type { KeptOrder, LedgerName } from './order-record.js'
import { createOrderStore, type OrderStore } from './order-store.js'

type Unreadable = 'control_message' | 'kept_ban' | 'kept_revocation' | 'kept_order'

/** What stands beside a kept order: the message to the other processes, or a ban's mark. */
export type Untold = 'message' | 'mark'

export interface RedisControlOptions {
  /** Not closed by the control. */
  readonly client: RedisClient
  readonly prefix: string
  /** Longest that an accepted token may live, in ms. Revocations are kept for this time. */
  readonly maxTokenLifetimeMs: number
  /** Configured names of the issuers. */
  readonly issuers: readonly string[]
  /** Messages or kept entries that this version cannot read: at most one report in 10 s. */
  readonly onInvalid?: (drops: DropReport<Unreadable>) => void
  /** The user of Redis has no right to the channel of orders. */
  readonly onRefused?: (error: unknown) => void
  /** An order was heard from outside this process: at most 50 reports in 10 s. */
  readonly onHeard?: (heard: HeardOrder) => void
  /** Redis had lost orders that this process knew, and has them again. */
  readonly onWrittenBack?: (orders: number) => void
  /** An order is kept, and `what` could not be written: the message to the other processes, or a ban's mark. */
  readonly onUntold?: (what: Untold, error: unknown) => void
  /** Time between two readings of all that is kept, in ms. */
  readonly reloadEveryMs?: number
  /** How long one call may take, in ms. */
  readonly timeoutMs?: number
  /** Time of day, in ms. */
  readonly now?: () => number
}

/** Orders written back that others are told of; they find more by themselves. */
const MAX_ANNOUNCED = 100
const RELOAD_EVERY_MS = 30_000
const monotonic = (): number => performance.now()
const TIMEOUT_MS = 1000

/**
 * Control over Redis. What counts is what stands in its keys: an order is kept there first, and a message on
 * `<prefix>ws:control` only says which entry is to be read again. All is read anew on reconnect and every 30 s.
 */
export function createRedisControl (options: RedisControlOptions): Control {
  return new RedisControl(options)
}

/** Its public parts are bound: they are passed on one by one, as those of every `Control` may be. */
class RedisControl implements Control {
  private readonly from = randomUUID()
  private readonly channel: string
  private readonly timeoutMs: number
  private readonly drops: DropReporter<Unreadable>
  private readonly reports: OrderReports
  private readonly state: ControlState
  private readonly stores: Readonly<Record<LedgerName, OrderStore>>
  private readonly book: OrderBook
  private readonly lists: ReturnType<typeof createOrderLists>
  private readonly keptOrders: KeptOrders
  private readonly reader: KeptReader
  private readonly marks: BanMarks
  private readonly publishText: PublishText
  private readonly channels: Channels
  private readonly onUntold: (what: Untold, error: unknown) => void
  private listened = false
  private denied = false
  private closed = false

  constructor (options: RedisControlOptions) {
    const { client, prefix, timeoutMs = TIMEOUT_MS, now = Date.now, maxTokenLifetimeMs, issuers } = options
    const keys = createControlKeys(prefix)
    this.onUntold = options.onUntold ?? (() => {})
    this.channel = keys.channel
    this.timeoutMs = timeoutMs
    this.drops = createDropReporter<Unreadable>((drops) => options.onInvalid?.(drops), monotonic)
    this.reports = createOrderReports((heard) => options.onHeard?.(heard), monotonic)
    // A clock that is set must not end an order of this process, nor bring one back.
    this.state = createControlState({ revocationMs: revocationLastsMs(maxTokenLifetimeMs), now: monotonic })
    const openStore = (name: 'bans' | 'revocations', unreadable: Unreadable) => createOrderStore({
      client, keys: keys[name], terms: this.state.terms[name], timeoutMs, onUnreadable: () => { this.drops.note(unreadable) }
    })
    const stores = this.stores = { bans: openStore('bans', 'kept_ban'), revocations: openStore('revocations', 'kept_revocation') }
    this.book = createOrderBook({ state: this.state, stores, issuers, maxTokenLifetimeMs, now })
    this.lists = createOrderLists(stores, this.state.terms)
    this.keptOrders = createKeptOrders({ client, prefix, timeoutMs, onUnreadable: () => { this.drops.note('kept_order') } })
    this.reader = new KeptReader({
      state: this.state,
      stores,
      keptOrders: this.keptOrders,
      everyMs: options.reloadEveryMs ?? RELOAD_EVERY_MS,
      onUnreadable: (name) => { this.drops.note(name === 'bans' ? 'kept_ban' : 'kept_revocation') },
      onWrittenBack: (name, orders) => {
        options.onWrittenBack?.(orders.length)
        this.announce(name, orders)
      }
    })
    this.marks = createBanMarks({ client, markOf: keys.ban, timeoutMs })
    this.publishText = createPublisher(client, timeoutMs)
    // On a cluster back ends may use either kind of publishing.
    this.channels = openChannels(client, client instanceof Cluster ? ['subscribe', 'ssubscribe'] : ['subscribe'], {
      onMessage: (_channel, payload) => { this.hear(payload) },
      onConfirmed: (confirmed) => { if (confirmed.length > 0) this.catchUp() },
      onRefused: (_channels, error) => {
        this.denied = true
        options.onRefused?.(error)
      },
      onDenied: (error) => { options.onRefused?.(error) },
      onLost: () => { /* comes back by itself */ }
    })
  }

  get loaded (): boolean { return this.reader.loaded }

  /** A lost connection comes back by itself, so it changes nothing here. */
  get listening (): boolean { return this.listened && !this.denied }

  readonly start = (handlers: ControlHandlers): void => {
    this.state.start(handlers)
    this.channels.want(this.channel)
    this.reader.start()
  }

  readonly isRevoked = (identity: Identity): boolean => this.state.isRevoked(identity)
  readonly bannedForMs = (address: string): number => this.state.bannedForMs(address)

  readonly listBans = async (page: PageRequest): Promise<Page<ListedBan> | null> => await this.lists.listBans(page)
  readonly listRevocations = async (page: PageRequest): Promise<Page<ListedRevocation> | null> => await this.lists.listRevocations(page)
  readonly revoke = async (asked: Revocation): Promise<void> => { await this.give(async () => await this.book.revoke(asked)) }

  readonly hold = (asked: Revocation): void => {
    this.state.learn('revocations', [this.book.hold(asked)])
    this.reader.readSoon()
  }

  readonly unrevoke = async (target: RevocationTarget): Promise<void> => {
    const standing = await findStanding(this.stores.revocations, this.state.terms.revocations, target)
    await this.give(async () => await this.book.unrevoke(target, standing))
  }

  readonly ban = async (address: string, durationMs: number): Promise<void> => {
    await this.give(async () => await this.book.ban(address, durationMs))
    await this.tell('mark', async () => { await this.marks.set(address, durationMs) })
  }

  readonly unban = async (address: string): Promise<void> => {
    await this.give(async () => await this.book.unban(address))
    await this.tell('mark', async () => { await this.marks.clear(address) })
  }

  readonly disconnect = async (userId: string): Promise<void> => {
    await this.pass({ type: 'disconnect', order_id: randomUUID(), user_id: userId })
  }

  readonly recheck = async (userId: string | null): Promise<void> => {
    await this.pass({ type: 'recheck', order_id: randomUUID(), user_id: userId })
  }

  readonly close = async (): Promise<void> => {
    this.closed = true
    this.state.stop()
    this.reader.close()
    this.channels.close()
    this.drops.close()
    this.reports.close()
  }

  private hear (payload: Buffer): void {
    const message = parseControlMessage(payload)
    if (message === null) return this.drops.note('control_message')
    if (message.from === this.from) return
    if (message.type === 'disconnect' || message.type === 'recheck') {
      if (this.state.perform(message)) this.reports.note(message)
      return
    }
    this.reports.note(message)
    const { ledger, entries } = entriesOf(message, this.state.lookup.issuersOf)
    for (const entry of entries) this.reader.readNamed(ledger, entry)
  }

  /** What was ordered before this moment may have been missed. */
  private catchUp (): void {
    // Every confirmation but the first follows a loss, and what back ends published meanwhile is kept nowhere.
    if (this.listened) this.state.perform({ type: 'recheck' })
    this.listened = true
    this.denied = false
    this.reader.readSoon()
  }

  /**
   * Keeps it, does it here, and tells the others: in this order, so that nothing is done here that the others cannot find. Rejects
   * unless it is known to be kept.
   */
  private async give (keep: () => Promise<Given>): Promise<void> {
    if (this.closed) throw new Error('control is closed')
    const { ledger, kept, message } = await waitAtMost(keep(), this.timeoutMs, 'keeping an order')
    this.state.learn(ledger, kept)
    await this.tell('message', async () => { await this.publish(message) })
  }

  private async pass (order: PassingOrder): Promise<void> {
    if (this.closed) throw new Error('control is closed')
    const text = this.toText(order)
    await waitAtMost(this.keptOrders.keep(text), this.timeoutMs, 'keeping an order')
    this.state.perform(order)
    await this.tell('message', async () => { await this.publishText(this.channel, text) })
  }

  /** Tells of what is kept. Where that fails the order counts all the same: the others read it within 30 s, and nobody reads the mark. */
  private async tell (what: Untold, telling: () => Promise<void>): Promise<void> {
    await telling().catch((error: unknown) => { this.onUntold(what, error) })
  }

  /** Tells the others of what Redis had lost: a process that began meanwhile does not know it. */
  private announce (name: LedgerName, orders: readonly KeptOrder[]): void {
    for (const order of orders.slice(0, MAX_ANNOUNCED)) {
      const message = toMessage(name, order)
      if (message === null || this.closed) continue
      // Whom this does not reach finds it by reading.
      this.publish(message).catch(() => {})
      if (name === 'bans' && !order.lifted) this.marks.restore(order.name, order.remainingMs)
    }
  }

  private async publish (message: ControlMessage): Promise<void> { await this.publishText(this.channel, this.toText(message)) }

  private toText (message: ControlMessage): string { return JSON.stringify({ v: 1, from: this.from, ...message }) }
}
