import { isMembers, scanMembers, type Members, type NoMembers } from './read-members.js'
import { NOT_JSON, skipSpace, skipValue, TOO_DEEP } from './scan-json.js'

/** Why bytes are no list of ours. */
export type NoItems = 'not_json' | 'wrong_shape' | 'too_many'

export const isItems = <T>(read: readonly T[] | NoItems): read is readonly T[] => typeof read !== 'string'

const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * Reads bytes that are one JSON array of at most `most` objects, and nothing else: of each item its members, as `readMembers` gives
 * them, or why it has none, which does not touch the others. All of it is checked and nothing is copied. `bytes`: valid UTF-8.
 */
export function readItems (bytes: Buffer, names: ReadonlySet<string>, most: number): ReadonlyArray<Members | NoMembers> | NoItems {
  const start = skipSpace(bytes, 0)
  if (bytes[start] !== OPEN_BRACKET) return 'wrong_shape'
  const items: Array<Members | NoMembers> = []
  const skipAnything = createSkipper(bytes)
  let at = skipSpace(bytes, start + 1)
  if (bytes[at] === CLOSE_BRACKET) return endsWith(bytes, at) ? items : 'not_json'
  while (items.length < most) {
    const item = bytes[at] === OPEN_BRACE ? scanMembers(bytes, at, names) : 'wrong_shape'
    const end = isMembers(item) ? item.end : item === 'not_json' ? NOT_JSON : skipAnything(at)
    if (end === NOT_JSON) return 'not_json'
    items.push(item)
    at = skipSpace(bytes, end)
    if (bytes[at] === CLOSE_BRACKET) return endsWith(bytes, at) ? items : 'not_json'
    if (bytes[at] !== COMMA) return 'not_json'
    at = skipSpace(bytes, at + 1)
  }
  return 'too_many'
}

/** Whether nothing but white space follows the last bracket. */
function endsWith (bytes: Buffer, bracket: number): boolean {
  return skipSpace(bytes, bracket + 1) === bytes.length
}

/** Makes what finds the place after a value of any depth, or NOT_JSON: for items that are no objects of ours. */
function createSkipper (bytes: Buffer): (at: number) => number {
  // Made once, and for few bodies: a list of deep items must not cost its whole length for each.
  let brackets: Uint8Array | null = null
  return (at) => {
    const end = skipValue(bytes, at)
    if (end !== TOO_DEEP) return end
    // Each level takes a byte at least.
    brackets ??= new Uint8Array(bytes.length)
    return skipValue(bytes, at, brackets)
  }
}
