import { setTimeout as sleep } from 'node:timers/promises'
import { atMostLongestTimer } from '../longest-timer.js'
import { RedisTimeout } from '../redis/bounded-wait.js'
import type { RedisConnection } from '../redis/connect.js'
import { BeatState } from './beat-state.js'
import type { NodeStore } from './node-store.js'

export interface HeartbeatOptions {
  readonly store: Pick<NodeStore, 'beat' | 'enlist'>
  readonly redis: Pick<RedisConnection, 'isUp' | 'onChange' | 'waitUntilUp'>
  readonly leaseMs: number
  /** How long one call may take, unless this process stood still; a quarter of a lease at most. */
  readonly timeoutMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Waits before a question that failed at once is asked again; ends early, by a rejection, with the signal. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

export interface HeartbeatHandlers {
  /** Others may have claimed connections of this process: finds out which. Rejects when Redis cannot tell; each call may take `limitMs`. */
  readonly onReturn: (limitMs: number) => Promise<void>
  /** A heartbeat was answered, and `onReturn`, where it was needed, has resolved. */
  readonly onBeat: () => void
  /** A heartbeat failed with this, or the connection broke (null): what was sent lately may be lost. */
  readonly onTrouble: (error: unknown) => void
}

/** Tells the other processes that this one is alive, and this one whether they can have taken it for lost. */
export interface Heartbeat {
  /** From now on a change of the connection to Redis is heard. The first `beat` follows it. */
  start (handlers: HeartbeatHandlers): void
  /** Beats now, or joins the beat under way. Never rejects; takes a few time-outs, or after this process stood still about a lease. */
  beat (): Promise<void>
  /** Beats until `isCurrent` or `isCutOff`; also ends with `stop`, or where each answer of some beats comes a lease late. */
  verify (): Promise<void>
  /** No other process can have claimed a connection of this one: its last heartbeat was sent less than a lease ago. */
  isCurrent (): boolean
  /** This process stood still: others may have claimed its connections, and Redis has neither told yet, nor been silent for long enough. */
  isInDoubt (): boolean
  /** Redis does not answer: whether others have claimed connections cannot be known. */
  isCutOff (): boolean
  /**
   * Until when (Redis's clock, ms) this process may take others for lost. Null while it may not: after an outage of Redis
   * every process is overdue, and the first to come back must leave the others a lease to do so.
   */
  mayClaimUntilMs (): number | null
  /** Breaks off the beat under way, and sends no more. */
  stop (): Promise<void>
}

const BEATS_PER_LEASE = 3
/** A failure that took longer than this many time-outs says that this process stood still, not that Redis is away. */
const STALLED_TIMEOUTS = 3
/** A process that stands still again and again is cut off in the end. */
const MAX_STALLS = 4
const MAX_VERIFYING_BEATS = 4
const PAUSES_PER_TIMEOUT = 4

const pauseOnTimer = async (ms: number, signal: AbortSignal): Promise<unknown> => await sleep(ms, undefined, { signal, ref: false })

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
    isInDoubt: () => state.stoodStill(),
    isCutOff: () => state.isCutOff(),
    mayClaimUntilMs: () => state.mayClaimUntilMs(),
    async stop () {
      unwatch()
      await beats.stop()
    }
  }
}

/** What became of one try: `late` and `stalled` are tried again, as Redis may be well. */
type Outcome = 'answered' | 'away' | 'late' | 'stalled'

/** Sends the beats: on time, one at a time, and a failed one again. */
class BeatLoop {
  handlers = NOBODY
  private readonly periodMs: number
  private underWay: Promise<void> | null = null
  private timer: NodeJS.Timeout | undefined
  private readonly stopping = new AbortController()
  /** When the first question was sent that Redis has not answered, as far as this process ran since. */
  private silentSinceMs = 0

  constructor (private readonly options: HeartbeatOptions, private readonly state: BeatState) {
    this.periodMs = options.leaseMs / BEATS_PER_LEASE
  }

  async beat (): Promise<void> {
    if (!this.stopped) this.underWay ??= this.run()
    if (this.underWay !== null) await this.underWay
  }

  async verify (): Promise<void> {
    for (let beats = 0; beats < MAX_VERIFYING_BEATS; beats++) {
      await this.beat()
      // Else this process stood still again while the answer travelled: once more.
      if (this.stopped || this.state.isCutOff() || this.state.isCurrent()) return
    }
  }

  async stop (): Promise<void> {
    this.stopping.abort()
    clearTimeout(this.timer)
    await this.underWay
  }

  private get stopped (): boolean { return this.stopping.signal.aborted }

  private async run (): Promise<void> {
    const { now } = this.options
    const startedAtMs = now()
    await this.askUntilKnown()
    this.underWay = null
    if (this.stopped) return
    const delayMs = this.periodMs * (0.85 + Math.random() * 0.15) - (now() - startedAtMs)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => { void this.beat() }, atMostLongestTimer(Math.max(1, delayMs))).unref()
  }

  /** Asks until Redis has answered, or counts as away. */
  private async askUntilKnown (): Promise<void> {
    this.silentSinceMs = this.options.now()
    let stalls = 0
    while (!this.stopped && stalls < MAX_STALLS) {
      const outcome = await this.tryOnce()
      if (outcome === 'answered') return
      if (outcome === 'away') break
      if (outcome === 'stalled') stalls++
    }
    this.state.cutOff()
  }

  private async tryOnce (): Promise<Outcome> {
    const { signal } = this.stopping
    const startedAtMs = this.options.now()
    const stoodStill = this.state.stoodStill()
    try {
      await unlessAborted(this.exchange(stoodStill), signal)
      this.handlers.onBeat()
      return 'answered'
    } catch (error) {
      if (this.stopped) return 'away'
      this.handlers.onTrouble(error)
      return stoodStill ? await this.judgeSilence() : this.judgeFailure(startedAtMs)
    }
  }

  private judgeFailure (startedAtMs: number): Outcome {
    const { now, timeoutMs } = this.options
    if (now() - startedAtMs <= STALLED_TIMEOUTS * timeoutMs) return 'away'
    this.silentSinceMs = now()
    return 'stalled'
  }

  /**
   * Others may have claimed the connections of a process that stood still: it must not write their lines because an answer is late. So it
   * asks for as long as a lease, or longer where it stood still again, before Redis counts as away.
   */
  private async judgeSilence (): Promise<Outcome> {
    const { now, timeoutMs, leaseMs, pause = pauseOnTimer } = this.options
    const silentMs = now() - this.silentSinceMs
    if (silentMs > leaseMs + timeoutMs) {
      this.silentSinceMs = now()
      return 'stalled'
    }
    if (silentMs >= leaseMs) return 'away'
    await pause(timeoutMs / PAUSES_PER_TIMEOUT, this.stopping.signal).catch(() => { /* stopped */ })
    return 'late'
  }

  /** `isPatient`: each answer may take what is left of a lease of silence. */
  private async exchange (isPatient: boolean): Promise<void> {
    const { store, redis, timeoutMs, leaseMs, now } = this.options
    const limitMs = (): number => isPatient ? Math.max(timeoutMs, this.silentSinceMs + leaseMs - now()) : timeoutMs
    const { signal } = this.stopping
    const heard = (): void => {
      signal.throwIfAborted()
      this.silentSinceMs = now()
    }
    if (!await redis.waitUntilUp(limitMs())) throw new RedisTimeout('Redis was not reached in time')
    signal.throwIfAborted()
    // Measured from before it is sent: a process that is stopped while the answer travels is not alive when it reads it.
    const sentAtMs = now()
    const beat = await store.beat(limitMs())
    heard()
    if (this.state.answered(sentAtMs, beat.lapsed)) await this.handlers.onReturn(limitMs())
    heard()
    this.state.told(sentAtMs)
    await store.enlist(beat.aliveUntilMs, limitMs())
    this.state.enlisted(sentAtMs, beat.aliveUntilMs, 2 * this.periodMs)
  }
}

/** Rejects as soon as the signal aborts; the work goes on unheard. */
async function unlessAborted (work: Promise<void>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const leave = (): void => { reject(new Error('stopped')) }
    signal.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => { signal.removeEventListener('abort', leave) })
  })
}
