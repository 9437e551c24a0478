import type { BusEvent, Place } from '../bus/bus.js'
import { parseBusMessage } from '../bus/bus-message.js'
import type { KeptEvent } from '../history/history.js'
import { formatPosition } from '../history/position.js'
import { encodeEvent } from '../wire/event-frame.js'
import { NO_FRAME, type LogEntry } from './log-entry.js'

/** An event as its connections get it; `showsTraces`: with the publisher's trace. */
export function toEntry (topic: string, { event, data }: BusEvent, place: Place, showsTraces = false): LogEntry {
  const { offset, atMs, id } = place
  const trace = showsTraces ? place.trace ?? null : null
  const frame = encodeEvent({ topic, event, data, ts: new Date(atMs), pos: formatPosition(place), id, trace })
  return { offset, atMs, event, frame, replay: null }
}

/** What only takes an offset. */
export function toBlank ({ offset, atMs }: Place): LogEntry {
  return { offset, atMs, event: null, frame: NO_FRAME, replay: null }
}

/** The same of what was kept. Something else that stands in the store takes its offset, and is delivered to nobody. */
export function readKept (topic: string, { offset, payload }: KeptEvent, showsTraces = false): LogEntry {
  const { event, place } = parseBusMessage(payload)
  const own = place?.offset === offset ? place : { epoch: '', offset, atMs: 0, id: null }
  return typeof event === 'string' || place?.offset !== offset ? toBlank(own) : toEntry(topic, event, own, showsTraces)
}
