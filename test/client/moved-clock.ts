import { SYSTEM_CLOCK, type Clock } from '../../packages/client/src/clock.js'

/** The real clock, which a test can move on. Chance always gives 0. */
export interface MovedClock extends Clock {
  /** Moves on by `ms`; what is due by then is called, in order. */
  pass (ms: number): void
}

export function createMovedClock (): MovedClock {
  let movedMs = 0
  const waiting = new Set<{ readonly dueAtMs: number, readonly run: () => void }>()
  const now = (): number => SYSTEM_CLOCK.now() + movedMs
  return {
    now,
    random: () => 0,
    after (ms, call) {
      const entry = {
        dueAtMs: now() + ms,
        run () {
          cancel()
          call()
        }
      }
      const stop = SYSTEM_CLOCK.after(ms, entry.run)
      const cancel = (): void => {
        stop()
        waiting.delete(entry)
      }
      waiting.add(entry)
      return cancel
    },
    pass (ms) {
      movedMs += ms
      const due = [...waiting].filter(({ dueAtMs }) => dueAtMs <= now()).toSorted((a, b) => a.dueAtMs - b.dueAtMs)
      for (const entry of due) if (waiting.has(entry)) entry.run()
    }
  }
}
