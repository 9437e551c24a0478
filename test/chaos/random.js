/**
 * Choices that a seed repeats (mulberry32).
 * @param {number} seed
 */
export function createRandom (seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  /** A whole number from 0 up to, not including, `end`. */
  const below = (end) => Math.floor(next() * end)
  return {
    below,
    /** A whole number from `from` to `to`, both included. */
    between: (from, to) => from + below(to - from + 1),
    /** True this often, of 1. */
    chance: (share) => next() < share,
    pick: (list) => list[below(list.length)]
  }
}
