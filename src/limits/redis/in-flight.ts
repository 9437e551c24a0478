/** Calls that have not been answered yet. */
export interface InFlight {
  /** Remembers a call until it settles; gives it back. */
  track<T> (call: Promise<T>): Promise<T>
  /** Resolves when the calls that are under way now have settled, well or badly; never rejects. */
  settled (): Promise<void>
  readonly size: number
}

/** Makes an empty set of calls. */
export function createInFlight (): InFlight {
  const calls = new Set<Promise<unknown>>()
  return {
    async track (call) {
      calls.add(call)
      try {
        return await call
      } finally {
        calls.delete(call)
      }
    },
    async settled () { await Promise.allSettled(calls) },
    get size () { return calls.size }
  }
}
