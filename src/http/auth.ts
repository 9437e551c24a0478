import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * What a presented secret is worth. `hidden`: no secret is set, so that what it would protect does not exist. `missing`:
 * nothing was presented, which is no guess.
 */
export type Verdict = 'ok' | 'hidden' | 'missing' | 'wrong'

/** Checks a presented secret; null: none was presented. Remembers nothing: no number of wrong ones shuts the right one out. */
export type Authenticate = (credential: string | null) => Verdict

/** Makes the check of one secret, which has several values while it is changed; none: unset. Takes the same time whatever was presented. */
export function createAuthenticator (values: readonly string[]): Authenticate {
  if (values.length === 0) return () => 'hidden'
  const expected = values.map(hashSecret)
  return (credential) => {
    if (credential === null) return 'missing'
    const presented = hashSecret(credential)
    // All are compared: which of them it was, or was near to, must not show in the time.
    return expected.filter(hash => timingSafeEqual(presented, hash)).length > 0 ? 'ok' : 'wrong'
  }
}

/** Hashes of equal length compare in constant time, and do not tell the length of the secret. */
function hashSecret (secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** The credential of `Authorization: Bearer <credential>` (RFC 6750 section 2.1); null for anything else. */
export function readBearer (authorization: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? null
}
