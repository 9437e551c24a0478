import { findOpaqueKey } from './name-mistake.js'
import { MAX_TOKEN_LENGTH, readTokenFormat, type TokenFormat } from './token-format.js'
import type { FoundFault } from './token-fault.js'

/** Where the parts of a token are, or why it has none: what is wrong with it before anything of it is decoded. */
export function readFormat (token: string): TokenFormat | FoundFault {
  const { length } = token
  if (length > MAX_TOKEN_LENGTH) return { fault: 'too_long', shown: `${length} characters, at most ${MAX_TOKEN_LENGTH}` }
  return readTokenFormat(token) ?? findOpaqueKey(token) ?? { fault: 'format', shown: null }
}
