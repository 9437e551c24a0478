const RANDOM_BYTES = 6

/** 6 random bytes as 8 letters of base64url. Works on pages without TLS too, unlike `crypto.randomUUID`. */
function randomLetters (): string {
  const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES))
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_')
}

/**
 * Makes the ids of one client: 8 letters of its own and a number that grows. Another tab, or the same page after a reload, is
 * another client: a back end that tells repeats by `user_id` and `id` must not take its messages for those of this one.
 */
export function createIds (): () => string {
  const prefix = randomLetters()
  let last = 0
  return () => `${prefix}-${++last}`
}
