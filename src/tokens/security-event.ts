import { audienceFault, audiencesOf, findStatementTimeFault, isId } from './statement-claims.js'
import type { StatementRules } from './statement.js'
import { isObject } from './token-format.js'

/** What a good security event token says. */
export interface SecurityEvents {
  readonly id: string
  /** By their types, as they came. */
  readonly events: Readonly<Record<string, unknown>>
  /** `sub_id` as it came; undefined: each event names its own subject. */
  readonly subject: unknown
  /** `iat`, and `toe` as it came: when the events happened, where they do not say so themselves. */
  readonly issuedAtS: number
  readonly happenedAt: unknown
}

/** The rules of security event tokens (RFC 8417 section 2, OpenID Shared Signals Framework 1.0 section 4). */
export function createSecurityEventRules (audience: string, clockToleranceMs: number): StatementRules<SecurityEvents> {
  // A transmitter that was away tells late: what it tells is still true, and ends nothing that began later.
  const times = { toleranceMs: clockToleranceMs, maxAgeMs: Infinity }
  return {
    types: new Set(['secevent+jwt']),
    read (claims, _issuer, nowMs) {
      const { jti, iat, aud, events, toe, sub_id: subject } = claims
      if (!isObject(events) || Object.keys(events).length === 0) return { fault: 'events' }
      if (!isId(jti)) return { fault: 'jti' }
      if (audiencesOf(aud)?.includes(audience) !== true) return audienceFault(aud, 'SSF_AUDIENCE', [audience])
      const fault = findStatementTimeFault(claims, times, nowMs)
      return fault ?? { id: jti, events, subject, issuedAtS: Number(iat), happenedAt: toe }
    }
  }
}
