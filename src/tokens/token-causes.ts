import type { TokenFault } from './token-fault.js'

/** What each fault of a token means, for operators: what to look at, or to do. */
export const TOKEN_CAUSES: Readonly<Record<TokenFault, string>> = {
  format: 'it is no JWT in its compact form, such as an opaque token: have the issuer give JWTs',
  too_long: 'it is longer than 12000 characters, and not read: fewer claims or groups in it',
  api_key: 'a key of the Supabase project in the place of a user\'s token, named behind the colon: `anon` and `sb_publishable` open nothing here; change `service_role` and `sb_secret`, a client has it',
  header: 'its header is no JSON object',
  header_type: 'its header `typ` is that of another kind of token; with JWT_TYP=at+jwt anything but that',
  critical_header: 'its header wants something understood (`crit`, `b64`) that is not',
  algorithm: 'it is signed by an algorithm that JWT_ALGORITHMS does not have',
  key_id: 'its `kid` is not 1 to 256 printable ASCII characters',
  unknown_key: 'its key is not published: another issuer; as `unavailable`: not asked for yet, as after a rotation, which JWKS_COOLDOWN_S bounds',
  signature: 'the signature is not the key\'s',
  unknown_issuer: 'its `iss` is that of no configured issuer, to the last slash',
  payload: 'its claims are no JSON object',
  claim_missing: 'the claim behind the colon is not in it',
  subject: 'the claim behind the colon is no name: empty, over 256 characters, `anonymous`, or with control characters',
  expiry: 'its `exp` is no time',
  not_before: 'its `nbf` is ahead: clocks that differ by more than JWT_CLOCK_TOLERANCE_S',
  issued_at: 'its `iat` is ahead, or no time: clocks that differ by more than JWT_CLOCK_TOLERANCE_S',
  lifetime: 'it lives longer than JWT_MAX_LIFETIME_S, or `max_lifetime_s` of its issuer',
  audience: 'it is for another service; both values stand behind the colon',
  token_type: 'it is no access token, such as an ID token; behind the colon by what it was known',
  acr: 'the user did not sign in as JWT_ACR wants',
  auth_age: 'the user signed in longer ago than JWT_MAX_AUTH_AGE_S, or the token does not say when (`auth_time`)',
  expired: 'it has ended: the client has to renew it',
  expired_unproven: 'it has ended, and its key is not at hand',
  sender_constrained: 'it is bound to a key or a certificate (`cnf`), and no proof of that came with it',
  inactive: 'introspection says that it does not count any more',
  keys_unavailable: 'its issuer\'s keys could not be fetched: see `jwks.failed`',
  introspection_unavailable: 'its issuer could not be asked about it'
}
