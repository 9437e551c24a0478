import type { IssuerConfig } from './issuer-config.js'
import { isObject } from './token-format.js'
import type { TokenFault } from './token-fault.js'

/** What an access token's claims are held against. */
export interface ClaimRules {
  readonly preset: IssuerConfig['preset']
  readonly audience: ReadonlySet<string>
  readonly clockToleranceMs: number
  readonly maxLifetimeMs: number
}

/** The claims of a token that passed, with the types that were checked. */
export interface AccessClaims extends Readonly<Record<string, unknown>> {
  readonly sub: string
  readonly exp: number
  readonly iat?: number
}

const MAX_SUBJECT_CHARACTERS = 256
/** The break-glass user: nobody may be called so by an issuer. */
export const ANONYMOUS = 'anonymous'
// A subject becomes part of keys, topics and log lines. U+FFFD stands where the token's bytes were no UTF-8.
const UNFIT_FOR_SUBJECT = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\ufffd]/u
const OTHER_TOKEN_TYPES: ReadonlySet<string> = new Set(['id', 'refresh', 'offline', 'logout'])

/**
 * Checks the claims of an access token (RFC 7519 section 4.1). The answer `expired` comes only when all else is good;
 * null means that nothing is wrong.
 */
export function findClaimFault (claims: unknown, rules: ClaimRules, nowMs: number): TokenFault | null {
  if (!isObject(claims)) return 'payload'
  if (!isSubject(claims['sub'])) return 'subject'
  if (!isAccessToken(claims['typ']) || isStatement(claims['events'])) return 'token_type'
  if (!isForUs(claims, rules)) return 'audience'
  return findTimeFault(claims, rules, nowMs)
}

/** The same claims, typed: only for claims in which {@link findClaimFault} found nothing. */
export function isAccessClaims (claims: unknown): claims is AccessClaims {
  return isObject(claims) && typeof claims['sub'] === 'string' && typeof claims['exp'] === 'number'
}

/** Whether a token that ends at `expiresAtMs` has ended, clock tolerance included. */
export function hasExpired (expiresAtMs: number, clockToleranceMs: number, nowMs: number): boolean {
  return nowMs >= expiresAtMs + clockToleranceMs
}

function isSubject (subject: unknown): boolean {
  if (typeof subject !== 'string' || subject === '' || subject === ANONYMOUS) return false
  if (subject.length > MAX_SUBJECT_CHARACTERS * 2 || UNFIT_FOR_SUBJECT.test(subject)) return false
  return subject.length <= MAX_SUBJECT_CHARACTERS || Array.from(subject).length <= MAX_SUBJECT_CHARACTERS
}

function isAccessToken (type: unknown): boolean {
  return type === undefined || (typeof type === 'string' && !OTHER_TOKEN_TYPES.has(type.toLowerCase()))
}

/**
 * Of a logout token or another security event token (RFC 8417 section 2.2): its header may say `JWT` and its audience be ours, so that
 * these events alone tell it from an access token.
 */
function isStatement (events: unknown): boolean {
  return isObject(events) && Object.keys(events).some(name => name.includes(':'))
}

function isForUs (claims: Record<string, unknown>, rules: ClaimRules): boolean {
  const { aud, azp } = claims
  // Keycloak leaves `aud` out, or names other clients there, and names the client that asked for the token in `azp`.
  const namedByAzp = rules.preset === 'keycloak' && typeof azp === 'string' && rules.audience.has(azp)
  if (aud === undefined) return namedByAzp
  if (typeof aud === 'string') return namedByAzp || rules.audience.has(aud)
  if (!isStringArray(aud)) return false
  return namedByAzp || aud.some(each => rules.audience.has(each))
}

/** Whether a value is a list of texts. */
export function isStringArray (value: unknown): value is string[] {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}

function findTimeFault (claims: Record<string, unknown>, rules: ClaimRules, nowMs: number): TokenFault | null {
  const { exp, iat, nbf } = claims
  const latestMs = nowMs + rules.clockToleranceMs
  if (!isTime(exp)) return 'expiry'
  if (nbf !== undefined && !(isTime(nbf) && nbf * 1000 <= latestMs)) return 'not_before'
  if (iat !== undefined && !(isTime(iat) && iat * 1000 <= latestMs)) return 'issued_at'
  const expiresAtMs = exp * 1000
  if (expiresAtMs - (iat === undefined ? nowMs : iat * 1000) > rules.maxLifetimeMs) return 'lifetime'
  return hasExpired(expiresAtMs, rules.clockToleranceMs, nowMs) ? 'expired' : null
}

/** A NumericDate: seconds since the epoch, fractions allowed (RFC 7519 section 2). `1e999` in JSON is `Infinity`. */
export function isTime (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
