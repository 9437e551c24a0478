import type { Timers } from '../../src/timers.js'

/** Time that passes when a test says so. */
export interface TestTimers extends Pick<Timers, 'after'> {
  /** In ms. */
  readonly now: () => number
  /** Time passes, and what is due meanwhile is called, in order, each at its moment. */
  advance (ms: number): void
}

/** Makes timers that begin at 1000 s. */
export function createTestTimers (): TestTimers {
  let nowMs = 1_000_000
  const waiting = new Set<{ readonly atMs: number, readonly call: () => void }>()
  return {
    now: () => nowMs,
    after (ms, call) {
      const entry = { atMs: nowMs + ms, call }
      waiting.add(entry)
      return () => { waiting.delete(entry) }
    },
    advance (ms) {
      const untilMs = nowMs + ms
      for (;;) {
        const next = [...waiting].toSorted((one, other) => one.atMs - other.atMs)[0]
        if (next === undefined || next.atMs > untilMs) break
        waiting.delete(next)
        nowMs = Math.max(nowMs, next.atMs)
        next.call()
      }
      nowMs = untilMs
    }
  }
}
