import { atMostLongestTimer } from '../../longest-timer.js'

/** Something that is done again and again, one at a time. */
export interface PacedLooks {
  start (): void
  stop (): void
}

/**
 * Makes the loop. `everyMs`: from one look's end to the next, in ms; each time it is up to a quarter shorter, so that a fleet
 * does not ask in one moment. A look that rejects is done again in its time.
 */
export function createPacedLooks (look: () => Promise<void>, everyMs: number): PacedLooks {
  let timer: NodeJS.Timeout | undefined
  let running = false

  function schedule (): void {
    if (!running) return
    const delayMs = atMostLongestTimer(everyMs * (0.75 + Math.random() / 4))
    timer = setTimeout(() => { void look().catch(() => {}).finally(schedule) }, delayMs).unref()
  }

  return {
    start () {
      if (running) return
      running = true
      schedule()
    },
    stop () {
      running = false
      clearTimeout(timer)
    }
  }
}
