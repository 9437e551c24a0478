import { MAX_TIMER_MS } from './reconnect-delay.js'

/** Waits `ms`, which may be more than a timer takes: then as long as that, or until `ended` aborts. */
export function pause (ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, Math.min(MAX_TIMER_MS, ms))
    function done (): void {
      clearTimeout(timer)
      ended.removeEventListener('abort', done)
      resolve()
    }
    ended.addEventListener('abort', done)
  })
}
