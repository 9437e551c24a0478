import type { ClaimRules } from './claim-rules.js'
import { isTime } from './claim-times.js'
import { showValue } from './show-value.js'
import type { FoundFault } from './token-fault.js'

/** Whether the user signed in as strongly and as lately as is wanted (OpenID Connect Core section 2: `acr`, `auth_time`; RFC 9470). */
export function findAssuranceFault (claims: Readonly<Record<string, unknown>>, rules: ClaimRules, nowMs: number): FoundFault | null {
  const { acr } = claims
  if (rules.assurance.size > 0 && !(typeof acr === 'string' && rules.assurance.has(acr))) {
    return { fault: 'acr', shown: `acr is ${showValue(acr)}, wanted is ${showValue([...rules.assurance])}` }
  }
  return findAuthAgeFault(claims, rules, nowMs)
}

/** The same of the time alone, which goes on after a token was accepted. */
export function findAuthAgeFault (claims: Readonly<Record<string, unknown>>, rules: ClaimRules, nowMs: number): FoundFault | null {
  const { maxAuthAgeMs, clockToleranceMs } = rules
  if (maxAuthAgeMs === null) return null
  const { auth_time: authTime } = claims
  if (!isTime(authTime)) return { fault: 'auth_age', shown: `auth_time is ${showValue(authTime)}` }
  const ageMs = nowMs - authTime * 1000
  if (ageMs <= maxAuthAgeMs + clockToleranceMs) return null
  return { fault: 'auth_age', shown: `signed in ${Math.floor(ageMs / 1000)} s ago, at most ${maxAuthAgeMs / 1000} s` }
}
