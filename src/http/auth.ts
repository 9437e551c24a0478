import { createHash, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'

export type Authentication =
  | { readonly verdict: 'ok' }
  /** There is no secret: what it would protect does not exist. */
  | { readonly verdict: 'hidden' }
  | { readonly verdict: 'unauthorized' }
  /** This peer failed too often; even the right credential is not looked at until then. */
  | { readonly verdict: 'limited', readonly retryAfterMs: number }

/** Checks a presented secret. `peer` is the address whose failures are counted. */
export type Authenticate = (credential: string | null, peer: string) => Authentication

export interface AuthenticatorOptions {
  /** Null: unset. */
  readonly secret: string | null
  /** ms since any fixed moment. Default `performance.now`. */
  readonly now?: () => number
}

interface Failures { count: number, readonly endsAtMs: number }

const MAX_FAILURES = 10
const FAILURE_WINDOW_MS = 60_000
const MAX_PEERS = 10_000

/** Makes the check of one secret: constant time, and ten failures per peer and minute. Knows no HTTP server. */
export function createAuthenticator ({ secret, now = () => performance.now() }: AuthenticatorOptions): Authenticate {
  if (secret === null) return () => ({ verdict: 'hidden' })
  const expected = hashSecret(secret)
  const failuresByPeer = new LRUCache<string, Failures>({ max: MAX_PEERS })

  function currentFailures (peer: string): Failures {
    const known = failuresByPeer.get(peer)
    if (known !== undefined && known.endsAtMs > now()) return known
    return { count: 0, endsAtMs: now() + FAILURE_WINDOW_MS }
  }

  return (credential, peer) => {
    const failures = currentFailures(peer)
    if (failures.count >= MAX_FAILURES) return { verdict: 'limited', retryAfterMs: failures.endsAtMs - now() }
    if (credential !== null && timingSafeEqual(hashSecret(credential), expected)) return { verdict: 'ok' }
    failures.count++
    failuresByPeer.set(peer, failures)
    return { verdict: 'unauthorized' }
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
