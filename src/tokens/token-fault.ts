import type { TokenRefusal } from './token-verifier.js'

/** Why a token was not accepted, for the log: the whole vocabulary. What each means stands in docs/CAUSES.md. */
export type TokenFault =
  | 'format' | 'too_long' | 'api_key' | 'header' | 'header_type' | 'critical_header' | 'algorithm' | 'key_id' | 'unknown_key' | 'signature'
  | 'unknown_issuer' | 'payload' | 'claim_missing' | 'subject' | 'expiry' | 'not_before' | 'issued_at' | 'lifetime'
  | 'audience' | 'token_type' | 'acr' | 'auth_age' | 'expired' | 'expired_unproven' | 'sender_constrained'
  | 'inactive' | 'keys_unavailable' | 'introspection_unavailable' | 'introspection_client' | 'introspection_busy'

/** A fault, and what of the token or the settings shows it: bounded and escaped, for operators; null: the word says it all. */
export interface FoundFault {
  readonly fault: TokenFault
  readonly shown: string | null
}

const UNAVAILABLE: ReadonlySet<TokenFault> = new Set([
  'keys_unavailable', 'introspection_unavailable', 'introspection_client', 'introspection_busy'
])

/** The refusal that a fault leads to. */
export function refuseToken (fault: TokenFault, shown: string | null = null): TokenRefusal {
  const detail = shown === null ? fault : `${fault}: ${shown}`
  if (fault === 'inactive') return { ok: false, refusal: 'revoked', detail }
  if (fault === 'expired') return { ok: false, refusal: 'expired_token', detail }
  return { ok: false, refusal: UNAVAILABLE.has(fault) ? 'unavailable' : 'invalid_token', detail }
}
