const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const PREFIX_LETTERS = 8

/**
 * Makes the ids of one client: 8 letters of its own and a number that grows. Another tab, or the same page after a reload, is
 * another client: a back end that tells repeats by `user_id` and `id` must not take its messages for those of this one.
 * `random`: 0 or more, below 1.
 */
export function createIds (random: () => number): () => string {
  const prefix = Array.from({ length: PREFIX_LETTERS }, () => LETTERS.charAt(Math.floor(random() * LETTERS.length))).join('')
  let last = 0
  return () => `${prefix}-${++last}`
}
