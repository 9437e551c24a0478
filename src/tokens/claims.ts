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

/** What is looked at in the claims of a token. */
export type ClaimPart = 'claims' | 'issuer' | 'user' | 'kind' | 'audience' | 'assurance' | 'times'

export interface ClaimCheck {
  readonly part: ClaimPart
  /** Null: nothing is wrong. Looks for itself, whatever another found. */
  readonly find: (claims: Readonly<Record<string, unknown>>, rules: ClaimRules, nowMs: number) => FoundFault | null
}

/** All that is looked at, in the order in which a fault is answered. */
export const CLAIM_CHECKS: readonly ClaimCheck[] = [
  { part: 'claims', find: findMissing },
  { part: 'issuer', find: findIssuerFault },
  { part: 'user', find: findSubjectFault },
  { part: 'kind', find: findKindFault },
  { part: 'audience', find: findAudienceFault },
  { part: 'assurance', find: findAssuranceFault },
  { part: 'times', find: findTimeFault }
]

/**
 * Checks the claims of an access token (RFC 7519 section 4.1). The answer `expired` comes only when all else is good;
 * null means that nothing is wrong.
 */
export function findClaimFault (claims: unknown, rules: ClaimRules, nowMs: number): FoundFault | null {
  if (!isObject(claims)) return { fault: 'payload', shown: null }
  for (const { find } of CLAIM_CHECKS) {
    const found = find(claims, rules, nowMs)
    if (found !== null) return found
  }
  return null
}

function findMissing (claims: Readonly<Record<string, unknown>>, { required }: ClaimRules): FoundFault | null {
  const missing = required.find(name => !(name in claims))
  return missing === undefined ? null : { fault: 'claim_missing', shown: missing }
}

function findIssuerFault (claims: Readonly<Record<string, unknown>>, { issuer }: ClaimRules): FoundFault | null {
  return claims['iss'] === issuer ? null : { fault: 'unknown_issuer', shown: null }
}

/** The same claims, typed: only for claims in which {@link findClaimFault} found nothing. */
export function isAccessClaims (claims: unknown): claims is AccessClaims {
  return isObject(claims) && typeof claims['exp'] === 'number' && typeof claims['iat'] === 'number'
}
