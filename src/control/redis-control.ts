import { randomUUID } from 'node:crypto'
import { Cluster } from 'ioredis'
import { waitAtMost } from '../fanout/bounded-wait.js'
import { openChannels, type RedisClient } from '../fanout/channels.js'
import { createDropReporter, type DropReport } from '../fanout/drop-reporter.js'
import { createPublisher } from '../fanout/publisher.js'
import type { Control, ControlHandlers } from './control.js'
import { createControlState, type ControlSnapshot } from './control-state.js'
import { createControlStore } from './control-store.js'
import { keepRevocationForMs, revocationFrom } from './lifetime.js'
import { parseControlMessage, type ControlMessage } from './messages.js'

export interface RedisControlOptions {
  /** Not closed by the control. */
  readonly client: RedisClient
  readonly prefix: string
  readonly handlers: ControlHandlers
  /** Longest that an accepted token may live, in ms: revocations are kept so long. */
  readonly maxTokenLifetimeMs: number
  /** Messages or kept entries that this version cannot read: at most one report in 10 s. */
  readonly onInvalid?: (drops: DropReport<'control_message' | 'kept_revocation'>) => void
  /** Time between two readings of all that is kept, in ms. */
  readonly reloadEveryMs?: number
  /** How long an order or a reading may take, in ms. */
  readonly timeoutMs?: number
  readonly now?: () => number
}

/** After a failed reading the next one comes sooner. */
const RETRY_RELOAD_MS = 1000

/** Control over Redis: kept there first, then published on `<prefix>ws:control`; read anew on reconnect and every 30 s. */
export function createRedisControl (options: RedisControlOptions): Control {
  const { client, prefix, maxTokenLifetimeMs, reloadEveryMs = 30_000, timeoutMs = 1000, now = Date.now } = options
  const channel = `${prefix}ws:control`
  const from = randomUUID()
  const drop = createDropReporter<'control_message' | 'kept_revocation'>((drops) => options.onInvalid?.(drops), now)
  const state = createControlState(options.handlers, now)
  const publishText = createPublisher(client, timeoutMs)
  const store = createControlStore(client, prefix, () => { drop('kept_revocation') })
  // On a cluster back ends may use either kind of publishing.
  const channels = openChannels(client, client instanceof Cluster ? ['subscribe', 'ssubscribe'] : ['subscribe'], {
    onMessage: (_channel, payload) => {
      const message = parseControlMessage(payload)
      if (message === null) drop('control_message')
      else if (message.from !== from) state.perform(message)
    },
    // What was ordered before this moment may have been missed.
    onConfirmed: () => { reloadSoon() },
    onLost: () => { /* comes back by itself */ }
  })
  let dataSet: string | null = null
  let loaded = false
  let closed = false
  let reading = false
  let readAgain = false
  let timer: NodeJS.Timeout | undefined

  function reloadSoon (): void {
    if (closed) return
    if (reading) { readAgain = true; return }
    clearTimeout(timer)
    reading = true
    void reload().then((done) => {
      reading = false
      const delayMs = done ? reloadEveryMs * (0.8 + Math.random() * 0.2) : RETRY_RELOAD_MS
      if (closed) return
      if (readAgain) reloadSoon()
      else timer = setTimeout(reloadSoon, delayMs).unref()
    })
  }

  async function reload (): Promise<boolean> {
    readAgain = false
    try {
      await state.reload(readKept)
      loaded = true
      return true
    } catch {
      // Redis is away, which the connection reports; what is known goes on.
      return false
    }
  }

  async function readKept (): Promise<ControlSnapshot> {
    let kept = await waitAtMost(store.read(), timeoutMs, 'reading revocations and bans')
    if (dataSet !== null && kept.dataSet !== dataSet) {
      // Redis was emptied, or came back without its data: what this process knows still holds.
      await store.restore(state.known())
      kept = await waitAtMost(store.read(), timeoutMs, 'reading revocations and bans')
    }
    dataSet = kept.dataSet
    return kept
  }

  /** Keeps what has to last, does it here, and tells the others. */
  async function order (message: ControlMessage, keep: () => Promise<void> = async () => {}): Promise<void> {
    if (closed) throw new Error('control is closed')
    await waitAtMost(keep(), timeoutMs, 'keeping an order')
    state.perform(message)
    await publishText(channel, JSON.stringify({ v: 1, from, ...message }))
  }

  return {
    get loaded () { return loaded },
    start () {
      channels.want(channel)
      reloadSoon()
    },
    isRevoked: state.isRevoked,
    bannedForMs: state.bannedForMs,
    async revoke (asked) {
      const revocation = revocationFrom(asked, now())
      const durationMs = keepRevocationForMs(revocation, maxTokenLifetimeMs, now())
      await order({ type: 'revoke', revocation, duration_ms: durationMs }, async () => { await store.keepRevocation(revocation, durationMs) })
    },
    async unrevoke (target) {
      await order({ type: 'unrevoke', target }, async () => { await store.dropRevocations(target) })
    },
    async ban (address, durationMs) {
      await order({ type: 'ban', address, duration_ms: durationMs }, async () => { await store.keepBan(address, durationMs) })
    },
    async unban (address) {
      await order({ type: 'unban', address }, async () => { await store.dropBan(address) })
    },
    async disconnect (userId) { await order({ type: 'disconnect', user_id: userId }) },
    async recheck (userId) { await order({ type: 'recheck', user_id: userId }) },
    async close () {
      closed = true
      clearTimeout(timer)
      channels.close()
    }
  }
}
