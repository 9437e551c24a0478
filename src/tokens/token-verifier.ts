import type { Identity } from './identity.js'
import type { RevokedTokens } from './token-name.js'

/** Why a token was not accepted. `detail` is from a fixed vocabulary, for the log. */
export interface TokenRefusal {
  readonly ok: false
  readonly refusal: 'invalid_token' | 'expired_token' | 'unavailable'
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
  close (): void
}
