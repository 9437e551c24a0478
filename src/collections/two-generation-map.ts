/**
 * A bounded map that forgets: an entry is kept at least `lifeMs` after it was last written and at most about twice that,
 * less when the map is full. No timer and no search for what is old: there are two generations, and the older one goes
 * as a whole when the younger one has lived its time or is full.
 */
export interface TwoGenerationMap<V> {
  get (key: string): V | undefined
  set (key: string, value: V, now: number): void
  readonly size: number
}

/** Makes a map of at most `maxEntries` (2 or more). `now` may be of any monotonic clock, in ms. */
export function createTwoGenerationMap<V> (maxEntries: number, lifeMs: number): TwoGenerationMap<V> {
  const maxPerGeneration = Math.floor(maxEntries / 2)
  let younger = new Map<string, V>()
  let older = new Map<string, V>()
  let youngerSince = -Infinity

  const rotate = (now: number): void => {
    const ageMs = now - youngerSince
    if (ageMs < lifeMs && younger.size < maxPerGeneration) return
    older = ageMs < 2 * lifeMs ? younger : new Map()
    younger = new Map()
    youngerSince = now
  }
  return {
    get: (key) => younger.get(key) ?? older.get(key),
    set (key, value, now) {
      if (!younger.has(key)) rotate(now)
      older.delete(key)
      younger.set(key, value)
    },
    get size () { return younger.size + older.size }
  }
}
