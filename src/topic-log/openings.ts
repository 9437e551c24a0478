/** Those who wait for something to be settled, by what they wait for. */
export interface Openings<K> {
  /** Resolves at the next `settle` of this key, or rejects with its error. */
  wait (key: K): Promise<void>
  settle (key: K, error?: unknown): void
}

export function createOpenings<K> (): Openings<K> {
  const waiters = new Map<K, Array<(error: unknown) => void>>()
  return {
    async wait (key) {
      await new Promise<void>((resolve, reject) => {
        const waiting = waiters.get(key) ?? []
        waiters.set(key, waiting)
        waiting.push((error) => {
          if (error === undefined) resolve()
          else reject(error instanceof Error ? error : new Error('not settled'))
        })
      })
    },
    settle (key, error) {
      const waiting = waiters.get(key)
      if (waiting === undefined) return
      waiters.delete(key)
      for (const tell of waiting) tell(error)
    }
  }
}
