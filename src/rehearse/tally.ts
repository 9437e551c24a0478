/** Who is concerned, the most often first; at most some are counted by name. */
export interface Tally {
  add (name: string, times: number): void
  readonly total: number
  /** The most frequent, with their counts. */
  top (count: number): ReadonlyArray<readonly [name: string, times: number]>
}

const MAX_NAMES = 10_000

/** Makes an empty tally. Names beyond `MAX_NAMES` count in the total alone, so that a flood of addresses fills no memory. */
export function createTally (): Tally {
  const byName = new Map<string, number>()
  let total = 0
  return {
    add (name, times) {
      total += times
      const before = byName.get(name)
      if (before !== undefined || byName.size < MAX_NAMES) byName.set(name, (before ?? 0) + times)
    },
    get total () { return total },
    top: count => [...byName].sort(([, a], [, b]) => b - a).slice(0, count)
  }
}
