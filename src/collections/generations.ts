/** Keys with a number of their own. Past this all of them count as changed once, which is safe, if not free. */
const MAX_KEYS = 20_000

/** Tells whether something was said to have changed, for one key or for all, since somebody last looked. */
export interface Generations {
  /** Something changed for this key; null: for every key. */
  bump (key: string | null): void
  /** A number that is another after each change for this key. It may become another without one, and never an old one again. */
  of (key: string): number
}

/** Makes the numbers. Memory is bounded: `maxKeys` keys at most are told apart. */
export function createGenerations (maxKeys = MAX_KEYS): Generations {
  const byKey = new Map<string, number>()
  let latest = 0
  let floor = 0

  function bumpAll (): void {
    byKey.clear()
    floor = latest
  }

  return {
    bump (key) {
      latest += 1
      if (key === null) return bumpAll()
      byKey.set(key, latest)
      if (byKey.size > maxKeys) bumpAll()
    },
    of: (key) => byKey.get(key) ?? floor
  }
}
