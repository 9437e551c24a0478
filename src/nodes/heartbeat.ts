import { BeatLoop, type HeartbeatHandlers, type HeartbeatOptions, type Ride } from './beat-loop.js'
import { BeatState } from './beat-state.js'

/** Tells the other processes that this one is alive, and this one whether they can have taken it for lost. */
export interface Heartbeat {
  /** From now on a change of the connection to Redis is heard. The first `beat` follows it. */
  start (handlers: HeartbeatHandlers): void
  /** Beats now, or joins the beat under way. Never rejects; takes a few time-outs, or after this process stood still about a lease. */
  beat (): Promise<void>
  /** The heartbeat, if it is due: what a call that is about to be sent to a single Redis takes along. Null: it is not, or cannot ride. */
  takeRide (): Ride | null
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
    takeRide: () => beats.takeRide(),
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
