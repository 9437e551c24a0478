import { setTimeout as sleep } from 'node:timers/promises'
import { atMostLongestTimer } from '../longest-timer.js'
import { RedisTimeout } from '../redis/bounded-wait.js'
import type { RedisConnection } from '../redis/connect.js'
import type { BeatState } from './beat-state.js'
import type { Beat, RidingBeat } from './node-beats.js'
import type { NodeStore } from './node-store.js'

export interface HeartbeatOptions {
  readonly store: Pick<NodeStore, 'beat' | 'enlist' | 'rideAlong'>
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

/** A heartbeat that another call takes along. One of its two functions is called, once. */
export interface Ride extends Pick<RidingBeat, 'keys' | 'args'> {
  readonly answered: (reply: readonly unknown[]) => void
  /** The call failed, or is sent once more without it: the heartbeat is sent by itself. */
  readonly failed: (error: unknown) => void
}

const BEATS_PER_LEASE = 3
/** In parts of its period: from when a beat rides, and until when it waits for that, at random so that processes do not beat together. */
const RIDES_FROM = 0.8
const WAITS = { least: 1.05, more: 0.1 } as const
/** A failure that took longer than this many time-outs says that this process stood still, not that Redis is away. */
const STALLED_TIMEOUTS = 3
/** A process that stands still again and again is cut off in the end. */
const MAX_STALLS = 4
const MAX_VERIFYING_BEATS = 4
const PAUSES_PER_TIMEOUT = 4

const pauseOnTimer = async (ms: number, signal: AbortSignal): Promise<unknown> => await sleep(ms, undefined, { signal, ref: false })

/** Before the start there is nobody to tell. */
const NOBODY: HeartbeatHandlers = { onReturn: async () => {}, onBeat () {}, onTrouble () {} }

/** What became of one try: `late` and `stalled` are tried again, as Redis may be well. */
type Outcome = 'answered' | 'away' | 'late' | 'stalled'

/** Sends the beats: on time, one at a time, and a failed one again. */
export class BeatLoop {
  handlers = NOBODY
  private readonly periodMs: number
  private underWay: Promise<void> | null = null
  private timer: NodeJS.Timeout | undefined
  private readonly stopping = new AbortController()
  /** When the first question was sent that Redis has not answered, as far as this process ran since. */
  private silentSinceMs = 0
  private begunAtMs = -Infinity

  constructor (private readonly options: HeartbeatOptions, private readonly state: BeatState) {
    this.periodMs = options.leaseMs / BEATS_PER_LEASE
  }

  async beat (): Promise<void> {
    if (!this.stopped) this.underWay ??= this.run()
    if (this.underWay !== null) await this.underWay
  }

  takeRide (): Ride | null {
    const { store, redis, now } = this.options
    // One that stood still asks with patience; nor does the first heartbeat wait for anything, or anything for it.
    const isDue = this.begunAtMs > -Infinity && now() - this.begunAtMs >= RIDES_FROM * this.periodMs
    if (!isDue || this.stopped || this.underWay !== null || !redis.isUp() || this.state.stoodStill()) return null
    const riding = store.rideAlong()
    if (riding === null) return null
    const { keys, args, read } = riding
    let [answered, failed]: [Ride['answered'], Ride['failed']] = [() => {}, () => {}]
    const answer = new Promise<readonly unknown[]>((resolve, reject) => { [answered, failed] = [resolve, reject] })
    this.underWay = this.run(answer.then(read))
    return { keys, args, answered, failed }
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

  private async run (riding: Promise<Beat> | null = null): Promise<void> {
    const { now } = this.options
    this.begunAtMs = now()
    await this.askUntilKnown(riding)
    this.underWay = null
    if (this.stopped) return
    const delayMs = this.periodMs * (WAITS.least + Math.random() * WAITS.more) - (now() - this.begunAtMs)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => { void this.beat() }, atMostLongestTimer(Math.max(1, delayMs))).unref()
  }

  /** Asks until Redis has answered, or counts as away. */
  private async askUntilKnown (riding: Promise<Beat> | null): Promise<void> {
    if (riding !== null && await this.tryRiding(riding)) return
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

  /** What went wrong with a ride is the affair of its call, which tells it: the beat is sent by itself then. */
  private async tryRiding (riding: Promise<Beat>): Promise<boolean> {
    try {
      await unlessAborted(this.exchange(false, riding), this.stopping.signal)
      this.handlers.onBeat()
      return true
    } catch {
      return false
    }
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

  /** `isPatient`: each answer may take what is left of a lease of silence. `riding`: the beat has been sent with another call. */
  private async exchange (isPatient: boolean, riding: Promise<Beat> | null = null): Promise<void> {
    const { store, redis, timeoutMs, leaseMs, now } = this.options
    const limitMs = (): number => isPatient ? Math.max(timeoutMs, this.silentSinceMs + leaseMs - now()) : timeoutMs
    const { signal } = this.stopping
    const heard = (): void => {
      signal.throwIfAborted()
      this.silentSinceMs = now()
    }
    if (riding === null && !await redis.waitUntilUp(limitMs())) throw new RedisTimeout('Redis was not reached in time')
    signal.throwIfAborted()
    // Measured from before it is sent: a process that is stopped while the answer travels is not alive when it reads it.
    const sentAtMs = now()
    const beat = await (riding ?? store.beat(limitMs()))
    heard()
    if (this.state.answered(sentAtMs, beat.lapsed)) await this.handlers.onReturn(limitMs())
    heard()
    this.state.told(sentAtMs)
    await store.enlist(beat, limitMs())
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
