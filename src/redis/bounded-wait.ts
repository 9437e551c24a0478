/** Redis did not answer within the time allowed; whether it did what it was asked to is not known. */
export class RedisTimeout extends Error {
  override readonly name = 'RedisTimeout'
}

/** Waits for `work` at most `limitMs` (1 or more); rejects with `RedisTimeout` after that, and lets the work end unheard. */
export async function waitAtMost<T> (work: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limited = new Promise<T>((resolve, reject) => {
    timer = setTimeout(() => { reject(new RedisTimeout(`${what} took longer than ${limitMs} ms`)) }, limitMs)
    work.then(resolve, reject)
  })
  try {
    return await limited
  } finally {
    clearTimeout(timer)
  }
}
