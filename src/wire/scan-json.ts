/**
 * Checks that bytes are JSON (RFC 8259) in one pass, without making anything of them. `JSON.parse` builds an object for each
 * pair of braces: for 1 MiB of `{}` it takes ten times as long as this does, and some hundred MB.
 */

/** Deepest nesting of data that passes through: many who read it later do so recursively. */
export const MAX_DEPTH = 128

/** Why a scan ended without a value; every place in the bytes is above both. */
export const NOT_JSON = -1
export const TOO_DEEP = -2

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const SMALL_E = 0x65
const SMALL_U = 0x75
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, character => character.charCodeAt(0))
const TRUE = bytesOf('true')
const FALSE = bytesOf('false')
const NULL = bytesOf('null')

/** By byte: 1 where a string goes on, 0 where it ends, escapes, or holds a control character, which must be escaped. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) => Number(byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH))
/** By byte: 1 for what may stand after a backslash, `u` excepted. */
const ESCAPED = Uint8Array.from({ length: 256 }, (_, byte) => Number('"\\/bfnrt'.includes(String.fromCharCode(byte))))
const HEX = Uint8Array.from({ length: 256 }, (_, byte) => Number(/[0-9A-Fa-f]/.test(String.fromCharCode(byte))))

/** What closes each bracket that is open. Scans never overlap, as nothing here waits. */
const openBrackets = new Uint8Array(MAX_DEPTH)

/** The first place from `at` on that is no white space. */
export function skipSpace (bytes: Uint8Array, at: number): number {
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break
    at++
  }
  return at
}

/** The place after the string that begins at `at`, or NOT_JSON. */
export function skipString (bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return NOT_JSON
  at++
  for (;;) {
    while (at < bytes.length && PLAIN[bytes[at] ?? 0] === 1) at++
    if (at >= bytes.length) return NOT_JSON
    const byte = bytes[at]
    if (byte === QUOTE) return at + 1
    if (byte !== BACKSLASH) return NOT_JSON
    const escaped = bytes[at + 1] ?? 0
    if (ESCAPED[escaped] === 1) at += 2
    else if (escaped === SMALL_U && isHex(bytes, at + 2)) at += 6
    else return NOT_JSON
  }
}

function isHex (bytes: Uint8Array, at: number): boolean {
  return at + 4 <= bytes.length && HEX[bytes[at] ?? 0] === 1 && HEX[bytes[at + 1] ?? 0] === 1 &&
    HEX[bytes[at + 2] ?? 0] === 1 && HEX[bytes[at + 3] ?? 0] === 1
}

function skipDigits (bytes: Uint8Array, at: number): number {
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0
    if (byte < ZERO || byte > NINE) break
    at++
  }
  return at
}

function skipNumber (bytes: Uint8Array, at: number): number {
  if (bytes[at] === MINUS) at++
  let end = bytes[at] === ZERO ? at + 1 : skipDigits(bytes, at)
  if (end === at) return NOT_JSON
  if (bytes[end] === DOT) {
    const start = end + 1
    end = skipDigits(bytes, start)
    if (end === start) return NOT_JSON
  }
  if (((bytes[end] ?? 0) | 0x20) !== SMALL_E) return end
  const sign = bytes[end + 1]
  const start = end + (sign === MINUS || sign === 0x2b ? 2 : 1)
  end = skipDigits(bytes, start)
  return end === start ? NOT_JSON : end
}

function skipWord (bytes: Uint8Array, at: number, word: Uint8Array): number {
  for (let n = 0; n < word.length; n++) if (bytes[at + n] !== word[n]) return NOT_JSON
  return at + word.length
}

/** A value without parts: text, number, true, false or null. */
function skipScalar (bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case QUOTE: return skipString(bytes, at)
    case 0x74: return skipWord(bytes, at, TRUE)
    case 0x66: return skipWord(bytes, at, FALSE)
    case 0x6e: return skipWord(bytes, at, NULL)
    default: return skipNumber(bytes, at)
  }
}

/** From the end of a member's name to where its value begins, or NOT_JSON. */
export function skipColon (bytes: Uint8Array, at: number): number {
  const colon = skipSpace(bytes, at)
  return bytes[colon] === COLON ? skipSpace(bytes, colon + 1) : NOT_JSON
}

/** From the name of a member, or the white space before it, to where its value begins, or NOT_JSON. */
function skipName (bytes: Uint8Array, at: number): number {
  const end = skipString(bytes, skipSpace(bytes, at))
  return end === NOT_JSON ? NOT_JSON : skipColon(bytes, end)
}

/**
 * The place after the value that begins at `at`, where white space has been skipped; NOT_JSON, or TOO_DEEP when arrays and
 * objects stand more than MAX_DEPTH deep in each other. Of UTF-8 it knows nothing: what is no ASCII is taken inside strings.
 * `closers`: has room for one bracket of each level that is allowed.
 */
export function skipValue (bytes: Uint8Array, at: number, closers: Uint8Array = openBrackets): number {
  let depth = 0
  for (;;) {
    const byte = bytes[at]
    let isOver = true
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth === closers.length) return TOO_DEEP
      const closer = byte + 2
      at = skipSpace(bytes, at + 1)
      if (bytes[at] === closer) at++
      else {
        closers[depth++] = closer
        if (closer === CLOSE_BRACE) at = skipName(bytes, at)
        isOver = false
      }
    } else at = skipScalar(bytes, at)
    // After a value comes the end of what it stands in, and of what that stands in, or the next value.
    while (isOver && at !== NOT_JSON) {
      if (depth === 0) return at
      at = skipSpace(bytes, at)
      const closer = closers[depth - 1]
      const next = bytes[at]
      if (next === closer) depth--
      else if (next === COMMA) isOver = false
      else return NOT_JSON
      at++
      if (!isOver) at = closer === CLOSE_BRACE ? skipName(bytes, at) : skipSpace(bytes, at)
    }
    if (at === NOT_JSON) return NOT_JSON
  }
}
