/** Time as a part of the surroundings: what waits, and for how long, belongs to who gives it. */
export interface Timers {
  /** Calls back once, after this time in ms; returns what calls it off. A wait keeps no process alive. */
  after (ms: number, call: () => void): () => void
  /** Calls back once this turn is over. */
  soon (call: () => void): void
}

export const SYSTEM_TIMERS: Timers = {
  after (ms, call) {
    const timer = setTimeout(call, ms).unref()
    return () => { clearTimeout(timer) }
  },
  soon (call) { setImmediate(call) }
}
