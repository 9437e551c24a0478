import type { Clock } from './clock.js'

/** Waits `ms`, at most as long as a timer takes, or until what it was made for ends. */
export type Pause = (ms: number) => Promise<void>

/** Makes pauses that end at once when `ended` aborts. */
export function createPause ({ after }: Clock, ended: AbortSignal): Pause {
  return ms => new Promise((resolve) => {
    const cancel = after(ms, done)
    function done (): void {
      cancel()
      ended.removeEventListener('abort', done)
      resolve()
    }
    ended.addEventListener('abort', done)
  })
}
