/** Longest token looked at, in characters: the whole head of a request has 16 KB. */
export const MAX_TOKEN_LENGTH = 12_000

/** Where the two dots of a well-formed token stand. */
export interface TokenFormat {
  readonly headerEnd: number
  readonly payloadEnd: number
}

const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
/** The only last characters whose unused bits are zero (RFC 4648 section 3.5). */
const LAST_OF_TWO = 'AQgw'
const LAST_OF_THREE = 'AEIMQUYcgkosw048'

/**
 * Checks that a token is three canonical base64url segments of at most {@link MAX_TOKEN_LENGTH} characters together
 * (RFC 7515 section 7.1); null when it is not. Decodes nothing.
 */
export function readTokenFormat (token: string): TokenFormat | null {
  if (token.length > MAX_TOKEN_LENGTH || !COMPACT_JWS.test(token)) return null
  const headerEnd = token.indexOf('.')
  const payloadEnd = token.lastIndexOf('.')
  const canonical = isCanonical(token, 0, headerEnd) && isCanonical(token, headerEnd + 1, payloadEnd) &&
    isCanonical(token, payloadEnd + 1, token.length)
  return canonical ? { headerEnd, payloadEnd } : null
}

// Non-canonical last bits would give one signed token many spellings, each a cache entry of its own.
function isCanonical (token: string, start: number, end: number): boolean {
  const remainder = (end - start) % 4
  if (remainder === 0) return true
  const last = token.charAt(end - 1)
  if (remainder === 2) return LAST_OF_TWO.includes(last)
  return remainder === 3 && LAST_OF_THREE.includes(last)
}

/** The JSON object in one base64url segment; null when there is anything else. */
export function decodeSegment (segment: string): Record<string, unknown> | null {
  return parseJsonObject(Buffer.from(segment, 'base64url').toString())
}

/** The JSON object that a text holds; null when it holds anything else. */
export function parseJsonObject (text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

/** Whether a value is an object that is neither null nor an array. */
export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
