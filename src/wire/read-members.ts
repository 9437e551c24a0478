import { isUtf8 } from 'node:buffer'
import { NOT_JSON, skipColon, skipSpace, skipString, skipValue, TOO_DEEP } from './scan-json.js'

/** Why bytes are no object of ours. `not_utf8`: JSON is UTF-8, and clients end a connection over anything else in a text frame. */
export type NoMembers = 'not_utf8' | 'not_json' | 'wrong_shape' | 'too_deep'

/** The members of one object, each as the bytes of its value: of duplicate names the last counts, as with `JSON.parse`. */
export interface Members {
  readonly known: ReadonlyMap<string, Buffer>
  /** There are members of other names, too. */
  readonly hasOthers: boolean
}

/** Far above what any message of ours has: a flood of members costs more than its bytes. */
const MAX_MEMBERS = 100
const MAX_NAME_LENGTH = 32
/** A character may be written by six: `\u0061`. */
const MAX_ESCAPED_LENGTH = 6 * MAX_NAME_LENGTH
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

export const isMembers = <M extends Members>(read: M | NoMembers): read is M => typeof read !== 'string'

/**
 * Reads bytes that are one JSON object of at most 100 members, and nothing else. All of it is checked and nothing is copied:
 * the values of `names` (at most 32 characters each) are parts of `bytes`.
 */
export function readMembers (bytes: Uint8Array, names: ReadonlySet<string>): Members | NoMembers {
  if (!isUtf8(bytes)) return 'not_utf8'
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = skipSpace(whole, 0)
  if (whole[start] !== OPEN_BRACE) return refuseOther(whole, start)
  const members = scanMembers(whole, start, names)
  return isMembers(members) && skipSpace(whole, members.end) !== whole.length ? 'not_json' : members
}

/** Members, and where what they stand in ends. */
export interface ScannedMembers extends Members {
  /** The place after the closing brace. */
  readonly end: number
}

/** Reads the object whose brace stands at `start`, as `readMembers` does; of UTF-8 it knows nothing. */
export function scanMembers (whole: Buffer, start: number, names: ReadonlySet<string>): ScannedMembers | NoMembers {
  const known = new Map<string, Buffer>()
  let hasOthers = false
  let at = skipSpace(whole, start + 1)
  if (whole[at] === CLOSE_BRACE) return { known, hasOthers, end: at + 1 }
  for (let count = 1; count <= MAX_MEMBERS; count++) {
    const nameEnd = skipString(whole, at)
    if (nameEnd === NOT_JSON) return 'not_json'
    const valueStart = skipColon(whole, nameEnd)
    if (valueStart === NOT_JSON) return 'not_json'
    const valueEnd = skipValue(whole, valueStart)
    if (valueEnd === NOT_JSON) return 'not_json'
    if (valueEnd === TOO_DEEP) return 'too_deep'
    const name = readName(whole, at, nameEnd, names)
    if (name === null) hasOthers = true
    else known.set(name, whole.subarray(valueStart, valueEnd))
    at = skipSpace(whole, valueEnd)
    if (whole[at] === CLOSE_BRACE) return { known, hasOthers, end: at + 1 }
    if (whole[at] !== COMMA) return 'not_json'
    at = skipSpace(whole, at + 1)
  }
  return 'wrong_shape'
}

/** Tells another value from what is no JSON. */
function refuseOther (bytes: Buffer, start: number): NoMembers {
  const end = skipValue(bytes, start)
  if (end === TOO_DEEP) return 'too_deep'
  return end !== NOT_JSON && skipSpace(bytes, end) === bytes.length ? 'wrong_shape' : 'not_json'
}

/** The name between the quotes at `start` and before `end`, if it is one of `names`, which may be written with escapes. */
function readName (whole: Buffer, start: number, end: number, names: ReadonlySet<string>): string | null {
  if (end - start > MAX_ESCAPED_LENGTH + 2) return null
  const quoted = whole.toString('latin1', start, end)
  const name: unknown = quoted.includes('\\') ? JSON.parse(quoted) : quoted.slice(1, -1)
  return typeof name === 'string' && names.has(name) ? name : null
}
