import { firstClaim, type ClaimRules } from './claim-rules.js'
import { showValue } from './show-value.js'
import { isObject } from './token-format.js'
import type { FoundFault } from './token-fault.js'

const OTHER_KINDS: ReadonlySet<string> = new Set(['id', 'refresh', 'offline', 'logout'])
/** Claims by which a token says itself of which kind it is: Keycloak's, and Cognito's. */
const KIND_CLAIMS = ['typ', 'token_use']
/** What an ID token carries for the client that asked for it (OpenID Connect Core sections 2 and 3.1.3.6). */
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash']

/**
 * Whether this is another kind of token than one for access. An ID token says who signed in, to the client, and may be shown
 * to anybody; where nothing names its kind, what is made for that client alone beside no scope gives it away.
 */
export function findKindFault (claims: Readonly<Record<string, unknown>>, { reading }: ClaimRules): FoundFault | null {
  const named = findNamedKind(claims)
  if (named !== null) return named
  // Logout tokens and security events (RFC 8417 section 2.2) are signed with the same keys for the same audience.
  if (isObject(claims['events'])) return { fault: 'token_type', shown: 'events are in it' }
  if (hasScope(firstClaim(claims, reading.scope)) || hasScope(claims['scope']) || hasScope(claims['scp'])) return null
  const telling = ID_TOKEN_CLAIMS.find(name => claims[name] !== undefined)
  return telling === undefined ? null : { fault: 'token_type', shown: `an ID token: ${telling} beside no scope` }
}

/** The fault of a token that names itself another kind; null where it does not. */
export function findNamedKind (claims: Readonly<Record<string, unknown>>): FoundFault | null {
  const name = KIND_CLAIMS.find(each => claims[each] !== undefined && !isAccess(claims[each]))
  return name === undefined ? null : { fault: 'token_type', shown: `${name} is ${showValue(claims[name])}` }
}

function isAccess (kind: unknown): boolean {
  return typeof kind === 'string' && !OTHER_KINDS.has(kind.toLowerCase())
}

const hasScope = (scope: unknown): boolean => typeof scope === 'string' || Array.isArray(scope)
