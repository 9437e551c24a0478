import { AccessError } from './access-error.js'

/** Lets a bounded number of calls run, and a bounded number wait. */
export interface CallQueue {
  /** Runs the work once there is a place. Rejects with `AccessError` when too many wait, and when the signal ends the wait. */
  run<T> (signal: AbortSignal, work: () => Promise<T>): Promise<T>
}

/** Makes a queue in which at most `places` calls run and at most `waiting` calls wait, first come first served. */
export function createCallQueue (places: number, waiting: number): CallQueue {
  const queue = new Set<() => void>()
  let running = 0

  function enter (signal: AbortSignal): Promise<void> | void {
    if (signal.aborted) throw new AccessError('no place came free in time')
    if (running < places) {
      running += 1
      return
    }
    if (queue.size >= waiting) throw new AccessError('too many checks are waiting')
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = (): void => {
        queue.delete(admit)
        reject(new AccessError('no place came free in time'))
      }
      signal.addEventListener('abort', giveUp, { once: true })
      queue.add(admit)
    })
  }

  /** Hands the place to the call that has waited longest; no newcomer can take it in between. */
  function leave (): void {
    const [admit] = queue
    if (admit === undefined) {
      running -= 1
      return
    }
    queue.delete(admit)
    admit()
  }

  return {
    async run (signal, work) {
      await enter(signal)
      try {
        return await work()
      } finally {
        leave()
      }
    }
  }
}
