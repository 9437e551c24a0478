import { Compile } from '#typebox/compile'
import { JsonText } from '../wire/json-text.js'
import { isMembers, readMembers, type NoMembers } from '../wire/read-members.js'
import { EventMessageSchema } from '../wire/redis-messages.js'
import type { BusEvent } from './bus.js'

/** Largest event on the bus, in bytes of JSON. */
export const MAX_EVENT_BYTES = 1_048_576

const FIELDS: ReadonlySet<string> = new Set(Object.keys(EventMessageSchema.properties))
const name = Compile(EventMessageSchema.properties.event)

/** Why a message from the bus was dropped: a fixed vocabulary, for the log. */
export type InvalidMessage = 'too_large' | NoMembers

/** Reads what a back end published; never throws, whatever it is. The event's data is a part of `payload`. */
export function parseBusMessage (payload: Buffer): BusEvent | InvalidMessage {
  if (payload.length > MAX_EVENT_BYTES) return 'too_large'
  const members = readMembers(payload, FIELDS)
  if (!isMembers(members)) return members
  const event: unknown = JSON.parse(members.known.get('event')?.toString() ?? 'null')
  const data = members.known.get('data')
  return name.Check(event) && data !== undefined ? { event, data: JsonText.ofChecked(data) } : 'wrong_shape'
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

const CLOSE = Buffer.from('}')
