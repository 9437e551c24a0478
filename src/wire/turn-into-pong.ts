const WITH_ID = Buffer.from('{"type":"ping","id":"')
const WITHOUT_ID = Buffer.from('{"type":"ping"}')
/** Where `ping` and `pong` differ. */
const VOWEL_AT = '{"type":"p'.length
const VOWEL = 'o'.charCodeAt(0)
const MAX_ID_BYTES = 64
const QUOTE = 0x22
const BACKSLASH = 0x5c
const CLOSING_BRACE = 0x7d

function beginsWith (bytes: Uint8Array, start: Uint8Array): boolean {
  for (let at = 0; at < start.length; at++) if (bytes[at] !== start[at]) return false
  return true
}

/** A string of printable ASCII without escapes stands in JSON for itself, so it may go back as it came. */
function isPlainId (bytes: Uint8Array, start: number, end: number): boolean {
  if (end < start || end - start > MAX_ID_BYTES) return false
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte < 0x20 || byte > 0x7e || byte === QUOTE || byte === BACKSLASH) return false
  }
  return true
}

/**
 * Makes the answer to a `ping` of the bytes that ask for it, in their place: no text, no parsing. False, with nothing
 * changed, for all but the plainest spelling of a valid `ping`: `decodeFrame` judges the others.
 */
export function turnIntoPong (bytes: Uint8Array): boolean {
  const end = bytes.length - 2
  const isPing = bytes.length === WITHOUT_ID.length
    ? beginsWith(bytes, WITHOUT_ID)
    : bytes[end] === QUOTE && bytes[end + 1] === CLOSING_BRACE && isPlainId(bytes, WITH_ID.length, end) && beginsWith(bytes, WITH_ID)
  if (isPing) bytes[VOWEL_AT] = VOWEL
  return isPing
}
