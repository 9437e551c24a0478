import type { ClaimRules } from './claim-rules.js'
import type { FoundFault } from './token-fault.js'

/** Whether a token that ends at `expiresAtMs` has ended, clock tolerance included. */
export function hasExpired (expiresAtMs: number, clockToleranceMs: number, nowMs: number): boolean {
  return nowMs >= expiresAtMs + clockToleranceMs
}

/** A NumericDate: seconds since the epoch, fractions allowed (RFC 7519 section 2). `1e999` in JSON is `Infinity`. */
export function isTime (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** Checks `exp`, `nbf` and `iat` (RFC 7519 section 4.1); `expired` only when the others are good. */
export function findTimeFault (claims: Readonly<Record<string, unknown>>, rules: ClaimRules, nowMs: number): FoundFault | null {
  const { exp, iat, nbf } = claims
  const latestMs = nowMs + rules.clockToleranceMs
  if (!isTime(exp)) return { fault: 'expiry', shown: null }
  if (nbf !== undefined && !(isTime(nbf) && nbf * 1000 <= latestMs)) return { fault: 'not_before', shown: null }
  if (!(isTime(iat) && iat * 1000 <= latestMs)) return { fault: 'issued_at', shown: null }
  const lifetimeMs = (exp - iat) * 1000
  if (lifetimeMs > rules.maxLifetimeMs) {
    return { fault: 'lifetime', shown: `${Math.ceil(lifetimeMs / 1000)} s, at most ${rules.maxLifetimeMs / 1000} s` }
  }
  return hasExpired(exp * 1000, rules.clockToleranceMs, nowMs) ? { fault: 'expired', shown: null } : null
}
