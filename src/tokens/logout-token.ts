import type { IssuerConfig } from './issuer-config.js'
import { audienceFault, audiencesOf, findStatementTimeFault, isId } from './statement-claims.js'
import type { StatementFault, StatementRules } from './statement.js'
import { isObject } from './token-format.js'

/** What a good logout token says. */
export interface LogoutToken {
  readonly id: string
  /** The session that ended; null: all of the user's. */
  readonly sid: string | null
  /** Null only beside a session. */
  readonly sub: string | null
  /** `iat`, in s since the epoch. */
  readonly issuedAtS: number
}

export interface LogoutTokenRules {
  /** The clients whose logouts count; null: the audience of the issuer's access tokens. */
  readonly audiences: ReadonlySet<string> | null
  /** Any client of the issuer counts, where the token names a session. */
  readonly anyClient: boolean
  readonly clockToleranceMs: number
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const MAX_AGE_MS = 300_000

/** The rules of logout tokens (OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6). */
export function createLogoutTokenRules (rules: LogoutTokenRules): StatementRules<LogoutToken> {
  const times = { toleranceMs: rules.clockToleranceMs, maxAgeMs: MAX_AGE_MS }
  return {
    // Some issuers leave the type out, and many say JWT: the event tells what it is.
    types: new Set(['logout+jwt', 'jwt', '']),
    read (claims, issuer, nowMs) {
      const { jti, sid, sub, iat, events } = claims
      // An ID token has a nonce: one must not pass for a logout token.
      if ('nonce' in claims) return { fault: 'nonce' }
      if (!isObject(events) || !isObject(events[EVENT])) return { fault: 'events' }
      if (!isId(jti)) return { fault: 'jti' }
      if (sid !== undefined && !isId(sid)) return { fault: 'session' }
      if (sub !== undefined && !isId(sub)) return { fault: 'subject' }
      if (sid === undefined && sub === undefined) return { fault: 'subject_missing' }
      const fault = findAudienceFault(claims, issuer, rules) ?? findStatementTimeFault(claims, times, nowMs)
      return fault ?? { id: jti, sid: sid ?? null, sub: sub ?? null, issuedAtS: Number(iat) }
    }
  }
}

function findAudienceFault (
  { aud, sid }: Readonly<Record<string, unknown>>, issuer: IssuerConfig, { audiences, anyClient }: LogoutTokenRules
): StatementFault | null {
  const wanted = audiences ?? new Set(issuer.audience)
  const named = audiencesOf(aud)
  if (named?.some(each => wanted.has(each)) === true) return null
  if (named === null || !anyClient) return audienceFault(aud, 'OIDC_LOGOUT_AUDIENCES', wanted)
  // A client that is none of ours may order the end of one session, and never that of a user everywhere.
  return sid === undefined ? { fault: 'session_missing' } : null
}
