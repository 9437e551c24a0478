import { Compile } from '#typebox/compile'
import { isDeeperThan, MAX_DEPTH } from '../wire/depth.js'
import { EventMessageSchema } from '../wire/redis-messages.js'
import type { BusEvent } from './bus.js'

/** Largest event on the bus, in bytes of JSON. */
export const MAX_EVENT_BYTES = 1_048_576

const message = Compile(EventMessageSchema)

/** Why a message from the bus was dropped: a fixed vocabulary, for the log. */
export type InvalidMessage = 'too_large' | 'not_json' | 'wrong_shape' | 'too_deep'

/** Reads what a back end published; never throws, whatever it is. */
export function parseBusMessage (payload: Buffer): BusEvent | InvalidMessage {
  if (payload.length > MAX_EVENT_BYTES) return 'too_large'
  let value: unknown
  try {
    value = JSON.parse(payload.toString('utf8'))
  } catch {
    return 'not_json'
  }
  // An absent `data` is no JSON value, and the compiled check lets `undefined` through for an unknown.
  if (!message.Check(value) || value.data === undefined) return 'wrong_shape'
  if (isDeeperThan(value.data, MAX_DEPTH)) return 'too_deep'
  return { event: value.event, data: value.data }
}

/** Writes an event for the bus. Throws RangeError or TypeError when the event is not one that `parseBusMessage` takes. */
export function formatBusMessage ({ event, data }: BusEvent): string {
  if (!message.Check({ event, data }) || data === undefined) throw new TypeError('not an event')
  if (isDeeperThan(data, MAX_DEPTH)) throw new RangeError('the event is nested too deeply')
  const text = JSON.stringify({ event, data })
  if (Buffer.byteLength(text) > MAX_EVENT_BYTES) throw new RangeError('the event is too large')
  return text
}
