import { atMostLongestTimer } from '../longest-timer.js'
import { RedisTimeout } from '../redis/bounded-wait.js'
import type { RedisConnection } from '../redis/connect.js'
import { BeatState } from './beat-state.js'
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
  /** A heartbeat failed with this, or the connection broke (null): what was sent lately may be lost. */
  readonly onTrouble: (error: unknown) => void
}

/** Tells the other processes that this one is alive, and this one whether they can have taken it for lost. */
export interface Heartbeat {
  /** From now on a change of the connection to Redis is heard. The first `beat` follows it. */
  start (handlers: HeartbeatHandlers): void
  /** Beats now, or joins the beat under way. Never rejects; takes a few time-outs at most. */
  beat (): Promise<void>
  /** Beats until `isCurrent` or `isCutOff`. */
  verify (): Promise<void>
  /** No other process can have claimed a connection of this one: its last heartbeat was sent less than a lease ago. */
  isCurrent (): boolean
  /** Redis does not answer: whether others have claimed connections cannot be known. */
  isCutOff (): boolean
  /**
   * Until when (Redis's clock, ms) this process may take others for lost. Null while it may not: after an outage of Redis
   * every process is overdue, and the first to come back must leave the others a lease to do so.
   */
  mayClaimUntilMs (): number | null
  /** Resolves when no beat is under way any more. */
  stop (): Promise<void>
}

const BEATS_PER_LEASE = 3
/** A failure that took longer than this many time-outs says that this process stood still, not that Redis is away. */
const STALLED_TIMEOUTS = 3
const MAX_TRIES = 4

/** Before the start there is nobody to tell. */
const NOBODY: HeartbeatHandlers = { onReturn: async () => {}, onBeat () {}, onTrouble () {} }

/** Makes the heartbeat of one process; after `start` it beats from the first `beat` on. */
export function createHeartbeat (options: HeartbeatOptions): Heartbeat {
  const { redis, leaseMs, now } = options
  const state = new BeatState(leaseMs, now)
  const beats = new BeatLoop(options, state)
  let unwatch = (): void => {}
  return {
    start (handlers) {
      beats.handlers = handlers
      unwatch = redis.onChange((up) => {
        if (up) void beats.beat()
        else handlers.onTrouble(null)
      })
    },
    beat: async () => { await beats.beat() },
    verify: async () => { await beats.verify() },
    isCurrent: () => state.isCurrent(),
    isCutOff: () => state.isCutOff(),
    mayClaimUntilMs: () => state.mayClaimUntilMs(),
    async stop () {
      unwatch()
      await beats.stop()
    }
  }
}

/** Sends the beats: on time, one at a time, and a failed one again. */
class BeatLoop {
  handlers = NOBODY
  private readonly periodMs: number
  private underWay: Promise<void> | null = null
  private timer: NodeJS.Timeout | undefined
  private stopped = false

  constructor (private readonly options: HeartbeatOptions, private readonly state: BeatState) {
    this.periodMs = options.leaseMs / BEATS_PER_LEASE
  }

  async beat (): Promise<void> {
    if (!this.stopped) this.underWay ??= this.run()
    if (this.underWay !== null) await this.underWay
  }

  async verify (): Promise<void> {
    await this.beat()
    // This process stood still again while the answer travelled: once more.
    if (!this.stopped && !this.state.isCutOff() && !this.state.isCurrent()) await this.verify()
  }

  async stop (): Promise<void> {
    this.stopped = true
    clearTimeout(this.timer)
    await this.underWay
  }

  private async run (): Promise<void> {
    const { now } = this.options
    const startedAtMs = now()
    let known = false
    for (let tries = 0; !known && tries < MAX_TRIES; tries++) known = await this.tryOnce()
    if (!known) this.state.cutOff()
    this.underWay = null
    if (this.stopped) return
    const delayMs = this.periodMs * (0.85 + Math.random() * 0.15) - (now() - startedAtMs)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => { void this.beat() }, atMostLongestTimer(Math.max(1, delayMs))).unref()
  }

  /**
   * False: this process stood still meanwhile, or right before, so a failure says nothing of Redis. Others may have claimed its connections
   * by then: it must not write their lines because its first question after that was answered late.
   */
  private async tryOnce (): Promise<boolean> {
    const { now, timeoutMs } = this.options
    const startedAtMs = now()
    const stoodStill = this.state.stoodStill()
    try {
      await this.exchange()
      this.handlers.onBeat()
      return true
    } catch (error) {
      this.handlers.onTrouble(error)
      const stalled = stoodStill || now() - startedAtMs > STALLED_TIMEOUTS * timeoutMs
      if (!stalled) this.state.cutOff()
      return !stalled
    }
  }

  private async exchange (): Promise<void> {
    const { store, redis, timeoutMs, now } = this.options
    if (!await redis.waitUntilUp(timeoutMs)) throw new RedisTimeout(`Redis was not reached within ${timeoutMs} ms`)
    // Measured from before it is sent: a process that is stopped while the answer travels is not alive when it reads it.
    const sentAtMs = now()
    const beat = await store.beat()
    if (this.state.answered(sentAtMs, beat.lapsed)) await this.handlers.onReturn()
    this.state.clearDoubt()
    await store.enlist(beat.aliveUntilMs)
    this.state.enlisted(sentAtMs, beat.aliveUntilMs, 2 * this.periodMs)
  }
}
