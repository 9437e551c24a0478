import { findAssuranceFault } from './claim-assurance.js'
import { findAudienceFault } from './claim-audience.js'
import { findKindFault } from './claim-kind.js'
import type { ClaimRules } from './claim-rules.js'
import { findSubjectFault } from './claim-subject.js'
import { findTimeFault } from './claim-times.js'
import { isObject } from './token-format.js'
import type { FoundFault } from './token-fault.js'

/** The claims of a token that passed, with the types that were checked. */
export interface AccessClaims extends Readonly<Record<string, unknown>> {
  /** Absent only where another claim names the user. */
  readonly sub?: string
  readonly exp: number
  readonly iat: number
}

/**
 * Checks the claims of an access token (RFC 7519 section 4.1). The answer `expired` comes only when all else is good;
 * null means that nothing is wrong.
 */
export function findClaimFault (claims: unknown, rules: ClaimRules, nowMs: number): FoundFault | null {
  if (!isObject(claims)) return { fault: 'payload', shown: null }
  const missing = rules.required.find(name => !(name in claims))
  if (missing !== undefined) return { fault: 'claim_missing', shown: missing }
  if (claims['iss'] !== rules.issuer) return { fault: 'unknown_issuer', shown: null }
  return findSubjectFault(claims, rules) ?? findKindFault(claims, rules) ?? findAudienceFault(claims, rules) ??
    findAssuranceFault(claims, rules, nowMs) ?? findTimeFault(claims, rules, nowMs)
}

/** The same claims, typed: only for claims in which {@link findClaimFault} found nothing. */
export function isAccessClaims (claims: unknown): claims is AccessClaims {
  return isObject(claims) && typeof claims['exp'] === 'number' && typeof claims['iat'] === 'number'
}
