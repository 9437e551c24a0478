import type { ReadIds } from './postgrest-client.js'

/** Makes a reader that has at most `atOnce` requests open: the others wait in their order. */
export function limitRequests (readIds: ReadIds, atOnce: number): ReadIds {
  let open = 0
  const waiting: Array<() => void> = []
  return async (request) => {
    // Who ends hands the place on.
    if (open >= atOnce) await new Promise<void>((resolve) => { waiting.push(resolve) })
    else open++
    try {
      return await readIds(request)
    } finally {
      const next = waiting.shift()
      if (next === undefined) open--
      else next()
    }
  }
}
