import type { RedisConnection } from '../redis/connect.js'
import type { NodeStore } from './node-store.js'

export interface HeartbeatOptions {
  readonly store: Pick<NodeStore, 'beat' | 'enlist'>
  readonly redis: Pick<RedisConnection, 'isUp' | 'onChange' | 'waitUntilUp'>
  readonly leaseMs: number
  /** How long one call may take; a quarter of a lease at most. */
  readonly timeoutMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
}

export interface HeartbeatHandlers {
  /** Others may have claimed connections of this process: finds out which. Rejects when Redis cannot tell. */
  readonly onReturn: () => Promise<void>
  /** A heartbeat was answered, and `onReturn`, where it was needed, has resolved. */
  readonly onBeat: () => void
  /** Redis did not answer, or the connection to it broke: what was sent lately may be lost. */
  readonly onTrouble: () => void
}

/** Tells the other processes that this one is alive, and this one whether they can have taken it for lost. */
export interface Heartbeat {
  /** From now on a change of the connection to Redis is heard. The first `beat` follows it. */
  start (handlers: HeartbeatHandlers): void
  /** Beats now, or joins the beat under way. Never rejects; takes a few time-outs at most. */
  beat (): Promise<void>
  /** Beats until `isCurrent` or `isCutOff`. */
  verify (): Promise<void>
  /** Nobody can have claimed a connection of this process: its last heartbeat was sent less than a lease ago. */
  isCurrent (): boolean
  /** Redis does not answer: nobody can say. */
  isCutOff (): boolean
  /**
   * Until when (Redis's clock, ms) this process may take others for lost. Null while it may not: after an outage of Redis
   * everybody is overdue, and whoever comes back first must leave the others a lease to do so.
   */
  mayClaimUntilMs (): number | null
  /** Resolves when no beat is under way any more. */
  stop (): Promise<void>
}

const BEATS_PER_LEASE = 3
/** A failure that took so many time-outs says that this process stood still, not that Redis is away. */
const STALLED_TIMEOUTS = 3
const MAX_TRIES = 4

/** Before the start there is nobody to tell. */
const NOBODY: HeartbeatHandlers = { onReturn: async () => {}, onBeat () {}, onTrouble () {} }

/** Makes the heartbeat of one process; after `start` it beats from the first `beat` on. */
export function createHeartbeat (options: HeartbeatOptions): Heartbeat {
  const { store, redis, leaseMs, timeoutMs, now } = options
  const periodMs = leaseMs / BEATS_PER_LEASE
  let sentAtMs = -Infinity
  let aliveUntilMs = 0
  let steadySinceMs = Infinity
  let inDoubt = false
  let cutOffAtMs = -Infinity
  let underWay: Promise<void> | null = null
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let handlers = NOBODY
  let unwatch = (): void => {}

  async function exchange (): Promise<void> {
    if (!await redis.waitUntilUp(timeoutMs)) throw new Error('Redis is away')
    // Measured from before it is sent: a process that is stopped while the answer travels is not alive when it reads it.
    const beatAtMs = now()
    const beat = await store.beat()
    const silentMs = beatAtMs - sentAtMs
    // Also after a silence that Redis does not tell of: the beat that it told may have gone unheard.
    if (beat.lapsed || silentMs > leaseMs) inDoubt = true
    if (inDoubt) await handlers.onReturn()
    inDoubt = false
    await store.enlist(beat.aliveUntilMs)
    if (silentMs > 2 * periodMs) steadySinceMs = beatAtMs
    sentAtMs = beatAtMs
    aliveUntilMs = beat.aliveUntilMs
    cutOffAtMs = -Infinity
  }

  /** False: this process stood still meanwhile, so a failure says nothing of Redis. */
  async function tryOnce (): Promise<boolean> {
    const startedAtMs = now()
    try {
      await exchange()
      handlers.onBeat()
      return true
    } catch {
      handlers.onTrouble()
      const stalled = now() - startedAtMs > STALLED_TIMEOUTS * timeoutMs
      if (!stalled) cutOffAtMs = now()
      return !stalled
    }
  }

  async function run (): Promise<void> {
    const startedAtMs = now()
    let known = false
    for (let tries = 0; !known && tries < MAX_TRIES; tries++) known = await tryOnce()
    if (!known) cutOffAtMs = now()
    underWay = null
    if (stopped) return
    const delayMs = periodMs * (0.85 + Math.random() * 0.15) - (now() - startedAtMs)
    clearTimeout(timer)
    timer = setTimeout(() => { void beat() }, Math.max(1, delayMs)).unref()
  }

  async function beat (): Promise<void> {
    if (!stopped) underWay ??= run()
    if (underWay !== null) await underWay
  }

  async function verify (): Promise<void> {
    await beat()
    // Stopped again while the answer travelled: once more.
    if (!stopped && !isCutOff() && !isCurrent()) await verify()
  }

  const isCurrent = (): boolean => !inDoubt && now() - sentAtMs <= leaseMs
  // Each beat that fails says so anew: a process that stood still since then knows nothing.
  const isCutOff = (): boolean => now() - cutOffAtMs <= leaseMs

  return {
    start (started) {
      handlers = started
      unwatch = redis.onChange((up) => {
        if (up) void beat()
        else handlers.onTrouble()
      })
    },
    beat,
    verify,
    isCurrent,
    isCutOff,
    mayClaimUntilMs: () => now() - steadySinceMs >= leaseMs ? aliveUntilMs - leaseMs / 2 : null,
    async stop () {
      stopped = true
      unwatch()
      clearTimeout(timer)
      await underWay
    }
  }
}
