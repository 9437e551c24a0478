import { isStringArray } from './claim-audience.js'
import { isTime } from './claim-times.js'
import type { StatementFault } from './statement.js'

/** Longest id of a statement or a session, in UTF-16 units: it becomes part of a key or a message in Redis. */
const MAX_ID = 1024
const MAX_SHOWN = 100

/** Whether a value may be the id of a statement, a session or a user. */
export function isId (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID
}

/** The audiences that a token names (RFC 7519 section 4.1.3); null: it names none, or not as it should. */
export function audiencesOf (aud: unknown): readonly string[] | null {
  if (typeof aud === 'string') return [aud]
  return isStringArray(aud) && aud.length > 0 ? aud : null
}

/** An audience that is none of ours, with both values: operators compare them. */
export function audienceFault (aud: unknown, setting: string, wanted: Iterable<string>): StatementFault {
  const show = (value: unknown): string => (JSON.stringify(value) ?? 'absent').slice(0, MAX_SHOWN)
  return { fault: 'audience', detail: `aud is ${show(aud)}; ${setting} is ${show([...wanted].join(','))}` }
}

export interface TimeRules {
  readonly toleranceMs: number
  /** How old it may be by its `iat`. */
  readonly maxAgeMs: number
}

/** Checks `iat`, which must be there, and `exp` and `nbf` where they are (RFC 7519 section 4.1). */
export function findStatementTimeFault (
  { iat, exp, nbf }: Readonly<Record<string, unknown>>, { toleranceMs, maxAgeMs }: TimeRules, nowMs: number
): StatementFault | null {
  if (!isTime(iat) || iat * 1000 > nowMs + toleranceMs) return { fault: 'issued_at' }
  if (iat * 1000 < nowMs - maxAgeMs - toleranceMs) return { fault: 'too_old' }
  if (exp !== undefined && !isTime(exp)) return { fault: 'expiry' }
  if (exp !== undefined && exp * 1000 + toleranceMs <= nowMs) return { fault: 'expired' }
  if (nbf !== undefined && !(isTime(nbf) && nbf * 1000 <= nowMs + toleranceMs)) return { fault: 'not_before' }
  return null
}
