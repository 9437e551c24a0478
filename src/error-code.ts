/** What the system, TLS, an HTTP client or a database driver calls a failure. Such a code is plain, and never text of a peer. */
const CODE = /^[A-Z][A-Z0-9_]{1,60}$/

/** The code of an error, or of the one that caused it; null: it has none. `fetch` itself only says that it failed. */
export function findErrorCode (error: unknown): string | null {
  if (!(error instanceof Error)) return null
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return CODE.test(code) ? code : null
  // A host with several addresses fails with an error for each.
  return findErrorCode(error instanceof AggregateError ? error.errors[0] : error.cause)
}
