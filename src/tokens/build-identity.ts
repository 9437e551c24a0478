import type { ClaimReading } from './claim-reading.js'
import { firstClaim } from './claim-rules.js'
import { findScopeMistake } from './claim-types.js'
import type { AccessClaims } from './claims.js'
import { readConfirmation } from './confirmation.js'
import type { Identity } from './identity.js'

/**
 * Makes the identity that checked claims stand for. With several issuers the configured name is put before the
 * subject, so that no issuer can speak for another's users. The claims must have passed the same issuer's rules.
 */
export function buildIdentity (claims: AccessClaims, issuerName: string, severalIssuers: boolean, reading: ClaimReading): Identity {
  const user = String(claims[reading.user])
  const scopes = readScopes(firstClaim(claims, reading.scope))
  const scopeMistake = scopes.size > 0 ? null : findScopeMistake(claims, reading)
  return {
    userId: severalIssuers ? `${issuerName}:${user}` : user,
    subject: claims.sub ?? '',
    issuer: issuerName,
    claims,
    expiresAtMs: claims.exp * 1000,
    issuedAtMs: claims.iat * 1000,
    tokenId: textOrNull(claims['jti']),
    sessionId: textOrNull(firstClaim(claims, reading.session)),
    scopes,
    ...(scopeMistake === null ? {} : { scopeMistake }),
    confirmation: readConfirmation(claims),
    insecure: false
  }
}

const NO_SCOPES: ReadonlySet<string> = new Set()
const MAX_KNOWN_SCOPES = 256
/** By their text: an issuer writes few different ones, and a set for each token is a good part of what an idle connection costs. */
const KNOWN_SCOPES = new Map<string, ReadonlySet<string>>()

/** Space-separated text (RFC 8693 section 4.2) or an array of such; anything else grants nothing. */
function readScopes (claim: unknown): ReadonlySet<string> {
  const scope = Array.isArray(claim) ? claim.filter(each => typeof each === 'string').join(' ') : claim
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
