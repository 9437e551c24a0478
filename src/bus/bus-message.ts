import { isUtf8 } from 'node:buffer'
import { Compile } from '#typebox/compile'
import { JsonText } from '../wire/json-text.js'
import { isMembers, readMembers, type NoMembers } from '../wire/read-members.js'
import { EventMessageSchema } from '../wire/redis-messages.js'
import { NOT_JSON, skipSpace, skipString, skipValue, TOO_DEEP } from '../wire/scan-json.js'
import { readTraceparent } from '../wire/traceparent.js'
import type { BusEvent, Place } from './bus.js'

/** Largest event on the bus, in bytes of JSON. */
export const MAX_EVENT_BYTES = 1_048_576
/** What stands around it where it has a place: at most two names of 128 characters, each by an escape, and the place. */
const MAX_FRAMING_BYTES = 2048

const FIELDS: ReadonlySet<string> = new Set(Object.keys(EventMessageSchema.properties))
const name = Compile(EventMessageSchema.properties.event)

/** Why a message from the bus was dropped: a fixed vocabulary, for the log. */
export type InvalidMessage = 'too_large' | NoMembers

/** What a message holds, and its place where the store has given it one. */
export interface BusMessage {
  readonly event: BusEvent | InvalidMessage
  readonly place: Place | null
}

/**
 * The beginning of what the publish script publishes. A back end's own message cannot begin so by chance, and one that is
 * made to begin so comes from somebody who may run the script.
 */
const PLACE = /^\{"pos":"([0-9a-f]{22,47}):(0|[1-9]\d{0,14})","ts":(\d{1,15})(?=[,}])/
const MAX_PLACE_LENGTH = 96
const [ID, TRACE, EVENT, DATA] = ['id', 'trace', 'event', 'data'].map(name => Buffer.from(`"${name}":`)) as [Buffer, Buffer, Buffer, Buffer]
const CLOSE = Buffer.from('}')
const COMMA = 0x2c

/** Reads what was published; never throws, whatever it is. The event's data is a part of `payload`. */
export function parseBusMessage (payload: Buffer): BusMessage {
  const [begin, epoch = '', offset, ts] = PLACE.exec(payload.toString('latin1', 0, MAX_PLACE_LENGTH)) ?? []
  if (begin === undefined) return { event: parsePlain(payload), place: null }
  const reader = new PlacedReader(payload, begin.length)
  const event = payload.length > MAX_EVENT_BYTES + MAX_FRAMING_BYTES ? 'too_large' : reader.read()
  const { id, trace } = reader
  const place = { epoch, offset: Number(offset), atMs: Number(ts), id }
  return { event, place: trace === null ? place : { ...place, trace } }
}

function parsePlain (payload: Buffer): BusEvent | InvalidMessage {
  if (payload.length > MAX_EVENT_BYTES) return 'too_large'
  const members = readMembers(payload, FIELDS)
  if (!isMembers(members)) return members
  const event: unknown = JSON.parse(members.known.get('event')?.toString() ?? 'null')
  const data = members.known.get('data')
  return name.Check(event) && data !== undefined ? { event, data: JsonText.ofChecked(data) } : 'wrong_shape'
}

/**
 * Reads what follows a place: perhaps an id, perhaps a trace, the event's name and the data. The script puts the data last, as it was
 * given: it must be one JSON value that ends where the message does, or it could bring members of its own.
 */
class PlacedReader {
  id: string | null = null
  trace: string | null = null

  constructor (private readonly bytes: Buffer, private at: number) {}

  read (): BusEvent | InvalidMessage {
    if (!isUtf8(this.bytes)) return 'not_utf8'
    if (this.enter(ID)) {
      const id = this.readString()
      if (typeof id !== 'string') return 'not_json'
      this.id = id
    }
    if (this.enter(TRACE)) {
      const trace = this.readString()
      if (typeof trace !== 'string') return 'not_json'
      this.trace = readTraceparent(trace)
    }
    if (!this.enter(EVENT)) return 'wrong_shape'
    const event = this.readString()
    if (!this.enter(DATA)) return 'not_json'
    const start = skipSpace(this.bytes, this.at)
    const end = skipValue(this.bytes, start)
    if (end === TOO_DEEP) return 'too_deep'
    const last = end === NOT_JSON ? end : skipSpace(this.bytes, end)
    if (last !== this.bytes.length - 1 || this.bytes[last] !== CLOSE[0]) return 'not_json'
    return name.Check(event) ? { event, data: JsonText.ofChecked(this.bytes.subarray(start, end)) } : 'wrong_shape'
  }

  /** Goes past a comma and a member's name, if they are what follows. */
  private enter (member: Buffer): boolean {
    const start = this.at + 1
    if (this.bytes[this.at] !== COMMA || this.bytes.compare(member, 0, member.length, start, start + member.length) !== 0) return false
    this.at = start + member.length
    return true
  }

  private readString (): unknown {
    const end = skipString(this.bytes, this.at)
    if (end === NOT_JSON) return null
    const text: unknown = JSON.parse(this.bytes.toString('utf8', this.at, end))
    this.at = end
    return text
  }
}

/**
 * Writes an event for the bus, in UTF-8, its data as it was written. Throws RangeError or TypeError when the event is not one
 * that `parseBusMessage` takes.
 */
export function formatBusMessage ({ event, data }: BusEvent): Buffer {
  if (!name.Check(event)) throw new TypeError('not an event')
  const text = Buffer.concat([Buffer.from(`{"event":${JSON.stringify(event)},"data":`), JsonText.from(data).bytes, CLOSE])
  if (text.length > MAX_EVENT_BYTES) throw new RangeError('the event is too large')
  return text
}
