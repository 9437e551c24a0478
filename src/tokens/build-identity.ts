import type { AccessClaims } from './claims.js'
import { readConfirmation } from './confirmation.js'
import type { Identity } from './identity.js'

/**
 * Makes the identity that checked claims stand for. With several issuers the configured name is put before the
 * subject, so that no issuer can speak for another's users.
 */
export function buildIdentity (claims: AccessClaims, issuerName: string, severalIssuers: boolean): Identity {
  return {
    userId: severalIssuers ? `${issuerName}:${claims.sub}` : claims.sub,
    subject: claims.sub,
    issuer: issuerName,
    claims,
    expiresAtMs: claims.exp * 1000,
    issuedAtMs: claims.iat === undefined ? null : claims.iat * 1000,
    tokenId: textOrNull(claims['jti']),
    sessionId: textOrNull(claims['sid']),
    scopes: readScopes(claims['scope']),
    confirmation: readConfirmation(claims),
    insecure: false
  }
}

const NO_SCOPES: ReadonlySet<string> = new Set()
const MAX_KNOWN_SCOPES = 256
/** By their text: an issuer writes few different ones, and a set for each token is a good part of what an idle connection costs. */
const KNOWN_SCOPES = new Map<string, ReadonlySet<string>>()

/** The space-separated `scope` (RFC 8693 section 4.2); anything but a string grants nothing. */
function readScopes (scope: unknown): ReadonlySet<string> {
  if (typeof scope !== 'string' || scope === '') return NO_SCOPES
  let scopes = KNOWN_SCOPES.get(scope)
  if (scopes === undefined) {
    scopes = new Set(scope.split(' ').filter(each => each !== ''))
    if (KNOWN_SCOPES.size < MAX_KNOWN_SCOPES) KNOWN_SCOPES.set(scope, scopes)
  }
  return scopes
}

function textOrNull (value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
