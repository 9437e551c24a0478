/** Timers take no more than this. */
export const MAX_TIMER_MS = 2_147_483_647

/** Time and chance as the client has them; a test or a simulator gives its own. */
export interface Clock {
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Calls back once, after `ms`, which may be more than a timer takes: then as late as that. Returns what calls it off. */
  readonly after: (ms: number, call: () => void) => () => void
  /** 0 or more, below 1. */
  readonly random: () => number
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after (ms, call) {
    const timer = setTimeout(call, Math.min(MAX_TIMER_MS, ms))
    return () => { clearTimeout(timer) }
  },
  random: () => Math.random()
}
