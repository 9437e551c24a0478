import { parseTopic } from '../bus/topics.js'
import { MAX_EVENT_BYTES } from '../bus/bus-message.js'
import { readTraceparent } from '../wire/traceparent.js'
import type { Publication } from './history.js'
import { formatPosition, type Position } from './position.js'

/** Longest name of an event, and longest id, in characters (code points). */
const MAX_EVENT_LENGTH = 128
const MAX_ID_LENGTH = 64
/** `{"event":"…","data":…}`, without name and data. */
const PLAIN_FORM_BYTES = 20
const CLOSE = Buffer.from('}')
/**
 * Control characters of ASCII, quotation marks and backslashes. Not as JSON.stringify writes them: a quotation mark never stands in
 * a name or an id, so that publish-event.lua finds their ends.
 */
const ESCAPED = /(?![\x80-\x9f])[\p{Cc}"\\]/gu

/** Text as publish-event.lua writes it into JSON, between quotation marks. */
export function escapeText (text: string): string {
  return text.replace(ESCAPED, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Throws what publish-event.lua answers with an error: TypeError, or RangeError for an event that is too large. */
export function checkPublication ({ topic, event, data, id, trace }: Publication): void {
  if (parseTopic(topic) === null) throw new TypeError('not a topic')
  if (event === '' || isLongerThan(event, MAX_EVENT_LENGTH)) throw new TypeError(`the event must have a name of 1 to ${MAX_EVENT_LENGTH} characters`)
  if (id === '' || (id !== null && isLongerThan(id, MAX_ID_LENGTH))) throw new TypeError(`the id must have 1 to ${MAX_ID_LENGTH} characters`)
  if (trace !== undefined && readTraceparent(trace) === null) throw new TypeError('the trace must be a traceparent of 55 characters')
  const bytes = Buffer.byteLength(escapeText(event)) + data.bytes.length + PLAIN_FORM_BYTES
  if (bytes > MAX_EVENT_BYTES) throw new RangeError(`the event is larger than ${MAX_EVENT_BYTES} bytes`)
}

/** An event as publish-event.lua publishes and keeps it, byte for byte. `at`: in ms since the epoch. */
export function formatPayload (position: Position, at: number, { event, data, id, trace }: Omit<Publication, 'topic'>): Buffer {
  const idPart = id === null ? '' : `,"id":"${escapeText(id)}"`
  const tracePart = trace === undefined ? '' : `,"trace":"${trace}"`
  const before = `{"pos":"${formatPosition(position)}","ts":${at}${idPart}${tracePart},"event":"${escapeText(event)}","data":`
  return Buffer.concat([Buffer.from(before), data.bytes, CLOSE])
}

/** What renew.lua tells of a new epoch. */
export function formatRenewal (epoch: string, at: number): Buffer {
  return Buffer.from(`{"pos":"${formatPosition({ epoch, offset: 0 })}","ts":${at}}`)
}

function isLongerThan (text: string, most: number): boolean {
  return text.length > most && [...text].length > most
}
