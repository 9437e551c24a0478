import { JsonText } from './json-text.js'
import { quote } from './quote.js'

/** An event for one topic. `data`: any JSON value, or a `JsonText`. */
interface TopicEvent {
  readonly topic: string
  readonly event: string
  readonly data: unknown
  readonly ts: Date
  /** Its position; null: it has none. */
  readonly pos?: string | null
  /** Its publisher's own id; null: none was given. */
  readonly id?: string | null
  /** The `traceparent` of the request that published it; null: none is shown. */
  readonly trace?: string | null
}

const REPLAYED = Buffer.from(',"replayed":true}')

/**
 * Writes an `event` frame in UTF-8; the bytes of its data are the publisher's, `pos` and `trace` are written as they are. Throws as
 * `JsonText.from`.
 */
export function encodeEvent ({ topic, event, data, ts, pos = null, id = null, trace = null }: TopicEvent): Buffer {
  const { bytes } = JsonText.from(data)
  const head = `{"type":"event","topic":${quote(topic)},"event":${quote(event)},"data":`
  const place = pos === null ? '' : `,"pos":"${pos}"`
  const more = `${id === null ? '' : `,"id":${quote(id)}`}${trace === null ? '' : `,"trace":"${trace}"`}`
  const tail = `,"ts":"${ts.toISOString()}"${place}${more}}`
  const headBytes = Buffer.byteLength(head)
  const frame = Buffer.allocUnsafe(headBytes + bytes.length + Buffer.byteLength(tail))
  frame.write(head)
  frame.set(bytes, headBytes)
  frame.write(tail, headBytes + bytes.length)
  return frame
}

/** The same frame for who asked for what had been published before. */
export function markReplayed (frame: Uint8Array): Buffer {
  return Buffer.concat([frame.subarray(0, -1), REPLAYED])
}
