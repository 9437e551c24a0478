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

  const rotate = (key: string, value: V, now: number, ageMs: number): void => {
    younger.delete(key)
    older = ageMs < 2 * lifeMs ? younger : new Map()
    younger = new Map([[key, value]])
    youngerSince = now
  }
  // Each look-up of a key that is not there costs one or two misses of the processor's cache, and every attempt makes several: none
  // is made in a map that is empty, and none to find out what the map's size tells.
  return {
    get: (key) => younger.get(key) ?? (older.size === 0 ? undefined : older.get(key)),
    set (key, value, now) {
      const { size } = younger
      younger.set(key, value)
      const ageMs = now - youngerSince
      if (younger.size > size && (size >= maxPerGeneration || ageMs >= lifeMs)) rotate(key, value, now, ageMs)
      if (older.size > 0) older.delete(key)
    },
    get size () { return younger.size + older.size }
  }
}
