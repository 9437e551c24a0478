import { decodeSegment } from './token-format.js'
import type { TokenFault } from './token-fault.js'

/** What a token's header says about the key; nothing else in it has any effect. */
export interface TokenHeader {
  readonly algorithm: string
  readonly keyId: string | null
}

const KEY_ID = /^[\x20-\x7e]{1,256}$/
const RFC_9068_TYPES: ReadonlySet<string> = new Set(['at+jwt', 'application/at+jwt'])
const ACCESS_TOKEN_TYPES: ReadonlySet<string> = new Set(['jwt', 'application/jwt', ...RFC_9068_TYPES])

/**
 * Reads a token's header segment (RFC 7515 section 4, RFC 9068 section 2.1). `jku`, `x5u`, `jwk` and `x5c` are not
 * looked at: a key comes from the configured issuer or from nowhere. `isAccepted`: whether a `typ` is that of a token which
 * is looked for; undefined stands for none.
 */
export function readTokenHeader (segment: string, isAccepted: (type: unknown) => boolean = isAccessTokenType): TokenHeader | TokenFault {
  const header = decodeSegment(segment)
  if (header === null) return 'header'
  if (header['crit'] !== undefined || header['b64'] !== undefined) return 'critical_header'
  if (!isAccepted(header['typ'])) return 'header_type'
  const { alg, kid } = header
  if (typeof alg !== 'string') return 'algorithm'
  if (kid === undefined) return { algorithm: alg, keyId: null }
  return isKeyId(kid) ? { algorithm: alg, keyId: kid } : 'key_id'
}

/** Whether a `kid` is one that we would look up: 1 to 256 printable ASCII characters. */
export function isKeyId (kid: unknown): kid is string {
  return typeof kid === 'string' && KEY_ID.test(kid)
}

/** Whether a `typ` names an access token of RFC 9068 (section 4: anything else must be refused where these are wanted). */
export function isRfc9068Type (type: unknown): boolean {
  return typeof type === 'string' && RFC_9068_TYPES.has(type.toLowerCase())
}

function isAccessTokenType (type: unknown): boolean {
  return type === undefined || (typeof type === 'string' && ACCESS_TOKEN_TYPES.has(type.toLowerCase()))
}
