/** A source of choices that a seed repeats. */
export interface Random {
  /** A whole number from 0 up to, not including, `end`. */
  below (end: number): number
  /** True this often, of 1. */
  chance (share: number): boolean
  pick<T> (from: readonly T[]): T
  bytes (length: number): Buffer
}

/** Mulberry32: small, fast and good enough to choose attacks. */
export function createRandom (seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number): number => Math.floor(next() * end)
  return {
    below,
    chance: share => next() < share,
    pick (from) {
      const [picked] = from.slice(below(from.length))
      if (picked === undefined) throw new Error('nothing to pick from')
      return picked
    },
    bytes: length => Buffer.from(Array.from({ length }, () => below(256)))
  }
}
