import type { Identity } from './identity.js'
import type { RevokedTokens } from './token-name.js'
import type { TokenStanding } from './token-standing.js'

/** Why a token was not accepted. */
export interface TokenRefusal {
  readonly ok: false
  readonly refusal: 'invalid_token' | 'expired_token' | 'revoked' | 'unavailable'
  /** For the log: a word of a fixed vocabulary, where there is more to say followed by a colon and what shows it. */
  readonly detail: string
  /** How long until another attempt can succeed, in ms; absent: that is not known. */
  readonly retryAfterMs?: number
}
export type TokenVerdict = { readonly ok: true, readonly identity: Identity } | TokenRefusal

/** What one issuer's keys look like from outside: for readiness and metrics. */
export interface IssuerStatus {
  readonly name: string
  /** A first fetch has ended, well or badly. */
  readonly tried: boolean
  /** Keys are at hand and within `JWKS_MAX_STALE_S`. */
  readonly usable: boolean
  /** Age of the keys in seconds; null before the first success. */
  readonly ageS: number | null
  readonly fetches: { readonly ok: number, readonly failed: number }
}

/** What is known of a token besides its text. */
export interface TokenProof {
  /** Thumbprint (RFC 7638) of the key whose proof came with the token: one that is bound to this key counts, else none that is bound. */
  readonly jkt?: string
}

/** What would be said of a token, and by what, for an operator's question. */
export interface TokenInspection {
  readonly verdict: TokenVerdict
  /** Configured name of the issuer that it was judged by; null: of none. */
  readonly issuer: string | null
  /** How old the issuer's keys are, in seconds; null: none were fetched, or none asked for. */
  readonly keysAgeS: number | null
  /** How long no keys may be fetched, in ms; 0: an upgrade with a key that is not at hand would have them fetched. */
  readonly fetchInMs: number
  /** What the issuer says of it, where it is asked; null: it was not, or gave no answer. `ageMs`: since it was asked. */
  readonly introspected: { readonly active: boolean, readonly ageMs: number } | null
}

/**
 * Says what a token would be answered now, and does nothing else: no key is fetched, no verdict remembered. An issuer that is asked about
 * its tokens is asked, unless an answer that still counts is known. Never rejects.
 */
export type InspectToken = (token: string) => Promise<TokenInspection>

/** The port by which a connection learns who a token belongs to. */
export interface TokenVerifier {
  /** Decides with what this process has at hand; null when keys must be fetched (or the token introspected) first. Never throws. */
  verifyNow (token: string, proof?: TokenProof): TokenVerdict | null
  /** Decides, waiting for keys where needed; resolves `unavailable` when they cannot be had. Never rejects. */
  verify (token: string, proof?: TokenProof): Promise<TokenVerdict>
  /** Fetches every issuer's keys once; resolves when all were tried. Starts the background refresh. */
  start (): Promise<void>
  status (): readonly IssuerStatus[]
  /** Forgets every cached verdict on tokens that were revoked. */
  forget (revoked: RevokedTokens): void
  /** Absent: what was found of a token stands until it ends. */
  readonly standing?: TokenStanding
  /** Absent: what would be said of a token cannot be asked without saying it. */
  readonly inspect?: InspectToken
  close (): void
}
