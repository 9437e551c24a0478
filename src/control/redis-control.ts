import { randomUUID } from 'node:crypto'
import { Cluster } from 'ioredis'
import { waitAtMost } from '../redis/bounded-wait.js'
import { openChannels, type RedisClient } from '../bus/channels.js'
import { createDropReporter, type DropReport } from '../bus/drop-reporter.js'
import { createPublisher } from '../bus/publisher.js'
import type { Control } from './control.js'
import { createControlState, type ControlSnapshot } from './control-state.js'
import { createControlStore } from './control-store.js'
import { createKeptOrders } from './kept-orders.js'
import { keepRevocationForMs, revocationFrom } from './lifetime.js'
import { parseControlMessage, type ControlMessage } from './messages.js'

type Unreadable = 'control_message' | 'kept_revocation' | 'kept_order'

export interface RedisControlOptions {
  /** Not closed by the control. */
  readonly client: RedisClient
  readonly prefix: string
  /** Longest that an accepted token may live, in ms: revocations are kept so long. */
  readonly maxTokenLifetimeMs: number
  /** Messages or kept entries that this version cannot read: at most one report in 10 s. */
  readonly onInvalid?: (drops: DropReport<Unreadable>) => void
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
  const drop = createDropReporter<Unreadable>((drops) => options.onInvalid?.(drops), now)
  const state = createControlState(now)
  const publishText = createPublisher(client, timeoutMs)
  const store = createControlStore(client, prefix, () => { drop('kept_revocation') })
  const keptOrders = createKeptOrders(client, prefix, () => { drop('kept_order') })
  // On a cluster back ends may use either kind of publishing.
  const channels = openChannels(client, client instanceof Cluster ? ['subscribe', 'ssubscribe'] : ['subscribe'], {
    onMessage: (_channel, payload) => {
      const message = parseControlMessage(payload)
      if (message === null) drop('control_message')
      else if (message.from !== from) state.perform(message)
    },
    onConfirmed: (confirmed) => { if (confirmed.length > 0) catchUp() },
    onLost: () => { /* comes back by itself */ }
  })
  let dataSet: string | null = null
  let loaded = false
  let closed = false
  let reading = false
  let readAgain = false
  let listened = false
  let startedAtMs = Infinity
  let timer: NodeJS.Timeout | undefined

  /** What was ordered before this moment may have been missed. */
  function catchUp (): void {
    // Every confirmation but the first follows a loss, and what back ends published meanwhile is kept nowhere.
    if (listened) state.perform({ type: 'recheck' })
    listened = true
    reloadSoon()
  }

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

  /** Reads all that is kept. False: Redis is away, which the connection reports; what is known goes on. */
  async function reload (): Promise<boolean> {
    readAgain = false
    const parts = await Promise.allSettled([load(), performMissed()])
    return parts.every(({ status }) => status === 'fulfilled')
  }

  async function load (): Promise<void> {
    await state.reload(readKept)
    loaded = true
  }

  /** Does what was ordered since the start of this process, and not yet done here: before, it had no connections. */
  async function performMissed (): Promise<void> {
    const orders = await waitAtMost(keptOrders.readSince(performance.now() - startedAtMs), timeoutMs, 'reading orders')
    for (const message of closed ? [] : orders) state.perform(message)
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

  /** Keeps it, does it here, and tells the others: in this order, so that nothing is done here that the others cannot find. */
  async function order (message: ControlMessage, keep: (text: string) => Promise<void>): Promise<void> {
    if (closed) throw new Error('control is closed')
    const text = JSON.stringify({ v: 1, from, ...message })
    await waitAtMost(keep(text), timeoutMs, 'keeping an order')
    state.perform(message)
    await publishText(channel, text)
  }

  return {
    get loaded () { return loaded },
    start (handlers) {
      state.start(handlers)
      startedAtMs = performance.now()
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
    async disconnect (userId) { await order({ type: 'disconnect', order_id: randomUUID(), user_id: userId }, keptOrders.keep) },
    async recheck (userId) { await order({ type: 'recheck', order_id: randomUUID(), user_id: userId }, keptOrders.keep) },
    async close () {
      closed = true
      clearTimeout(timer)
      channels.close()
    }
  }
}
