import type { Timers } from '../timers.js'

/** Redis did not answer within the time allowed; whether it did what it was asked to is not known. */
export class RedisTimeout extends Error {
  override readonly name = 'RedisTimeout'
}

/**
 * A wait that is being waited for keeps its process alive. A process that was busy meanwhile has the answer in its socket, and reads
 * it before the time counts as over.
 */
export const afterReading: Timers['after'] = (ms, call) => {
  let lastTurn: NodeJS.Immediate | undefined
  const timer = setTimeout(() => { lastTurn = setImmediate(call) }, ms)
  return () => {
    clearTimeout(timer)
    clearImmediate(lastTurn)
  }
}

/** Waits for `work` at most `limitMs` (1 or more); rejects with `RedisTimeout` after that, and lets the work end unheard. */
export async function waitAtMost<T> (work: Promise<T>, limitMs: number, what: string, after = afterReading): Promise<T> {
  let cancel = (): void => {}
  const limited = new Promise<T>((resolve, reject) => {
    cancel = after(limitMs, () => { reject(new RedisTimeout(`${what} took longer than ${limitMs} ms`)) })
    work.then(resolve, reject)
  })
  try {
    return await limited
  } finally {
    cancel()
  }
}
