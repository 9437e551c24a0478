import type { TokenRefusal } from './token-verifier.js'

/** Why a token was not accepted, for the log: the whole vocabulary. */
export type TokenFault =
  | 'format' | 'header' | 'header_type' | 'critical_header' | 'algorithm' | 'key_id' | 'unknown_key' | 'signature'
  | 'unknown_issuer' | 'payload' | 'claim_missing' | 'subject' | 'expiry' | 'not_before' | 'issued_at' | 'lifetime'
  | 'audience' | 'token_type' | 'expired' | 'expired_unproven' | 'sender_constrained' | 'inactive' | 'keys_unavailable' | 'introspection_unavailable'

const UNAVAILABLE: ReadonlySet<TokenFault> = new Set(['keys_unavailable', 'introspection_unavailable'])

/** The refusal that a fault leads to. */
export function refuseToken (fault: TokenFault): TokenRefusal {
  if (fault === 'expired') return { ok: false, refusal: 'expired_token', detail: fault }
  return { ok: false, refusal: UNAVAILABLE.has(fault) ? 'unavailable' : 'invalid_token', detail: fault }
}
