import { isAscii } from 'node:buffer'

/** Longest text from a client or a dependency in one field of a log line, in UTF-16 units. */
export const MAX_TEXT = 256

const MAX_SEGMENT = 24
/** `{"` in base64: how every JWT begins. */
const TOKEN_START = 'eyJ'
const PLAIN_PATH = /^(?:\/[\w.~-]{0,24}){1,8}$/
const PLAIN_SEGMENT = /^[\w.~-]*$/

const DEL = 0x7f
/**
 * DEL, the C1 controls (0x9b starts a terminal command like ESC [ does), line separators, byte order marks and the
 * marks that reverse the direction of text. JSON may hold all of them as they are; a terminal or a viewer obeys them.
 */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** Writes characters that could disturb a reader's terminal or line splitter as `\uXXXX`. The line is JSON before and after. */
export function escapeControls (line: string): string {
  return line.search(UNSAFE) === -1 ? line : line.replace(UNSAFE, escapeCharacter)
}

/**
 * The bytes of log lines as they may be shown, in UTF-8. Whether there is anything to escape is asked for a whole chunk of
 * lines at once: all that `escapeControls` looks for lies outside ASCII, but for DEL.
 */
export function encodeLines (lines: string): Buffer {
  const bytes = Buffer.from(lines)
  return isAscii(bytes) && !bytes.includes(DEL) ? bytes : Buffer.from(escapeControls(lines))
}

function escapeCharacter (character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The first `max` UTF-16 units, with `…` where something was cut. */
export function boundText (text: string, max = MAX_TEXT): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`
}

/**
 * The path of a request target as it may be logged: without query and fragment, bounded, and with every segment that
 * could be or hide a token (long, percent-encoded, or holding the beginning of one) replaced by `…`.
 */
export function redactPath (target: string): string {
  const cut = target.slice(0, MAX_TEXT)
  const end = cut.search(/[?#]/)
  const path = end === -1 ? cut : cut.slice(0, end)
  if (PLAIN_PATH.test(path) && !path.includes(TOKEN_START)) return path
  return path.split('/').map(redactSegment).join('/')
}

function redactSegment (segment: string): string {
  return segment.length <= MAX_SEGMENT && PLAIN_SEGMENT.test(segment) && !segment.includes(TOKEN_START) ? segment : '…'
}

/** Text that a client chose, unless it could be a token or a part of one: a JWT's segment fits the pattern of an id. */
export function redactToken (text: string): string {
  return text.includes(TOKEN_START) ? '…' : text
}
