import { findNamedKind } from './claim-kind.js'
import { decodeSegment, type TokenFormat } from './token-format.js'
import type { FoundFault, TokenFault } from './token-fault.js'

/** Supabase's newer API keys, which are no JWTs. */
const OPAQUE_KEY = /^sb_(publishable|secret)_/
/** Roles of its older ones: tokens of a project instead of a user, which clients present by mistake. */
const KEY_ROLES: readonly unknown[] = ['anon', 'service_role']
/** Faults that come first in tokens of another kind, and send the operator to the wrong setting. */
const MISLEADING: ReadonlySet<TokenFault> = new Set(['algorithm', 'unknown_issuer', 'claim_missing', 'subject', 'lifetime'])

/** What stands in `detail` for keys that open every row: a client that has one was given it by mistake, and so may others be. */
export const LEAKED_KEYS: ReadonlySet<string> = new Set(['api_key: service_role', 'api_key: sb_secret'])

/** The fault of a text that is an API key of Supabase and no token; null when it is none. */
export function findOpaqueKey (token: string): FoundFault | null {
  const kind = OPAQUE_KEY.exec(token)?.[1]
  return kind === undefined ? null : { fault: 'api_key', shown: `sb_${kind}` }
}

/**
 * What a refused token is by its own word, where that tells an operator more than the fault which was found first. Nothing of
 * it is verified: it goes to the log, and changes no decision.
 */
export function nameMistake (token: string, format: TokenFormat, found: FoundFault): FoundFault {
  if (!MISLEADING.has(found.fault)) return found
  const claims = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))
  if (claims === null) return found
  const { role } = claims
  if (KEY_ROLES.includes(role) && claims['sub'] === undefined) return { fault: 'api_key', shown: String(role) }
  // Keycloak signs refresh and offline tokens with a secret of its own.
  return found.fault === 'algorithm' ? findNamedKind(claims) ?? found : found
}
