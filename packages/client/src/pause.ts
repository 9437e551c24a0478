/** Waits `ms`, or until `ended` aborts. */
export function pause (ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done (): void {
      clearTimeout(timer)
      ended.removeEventListener('abort', done)
      resolve()
    }
    ended.addEventListener('abort', done)
  })
}
