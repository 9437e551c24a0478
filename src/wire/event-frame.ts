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
}

const REPLAYED = Buffer.from(',"replayed":true}')

/** Writes an `event` frame in UTF-8; the bytes of its data are the publisher's. Throws as `JsonText.from`. */
export function encodeEvent ({ topic, event, data, ts, pos = null, id = null }: TopicEvent): Buffer {
  const { bytes } = JsonText.from(data)
  const head = `{"type":"event","topic":${quote(topic)},"event":${quote(event)},"data":`
  const place = pos === null ? '' : `,"pos":"${pos}"`
  const tail = `,"ts":"${ts.toISOString()}"${place}${id === null ? '' : `,"id":${quote(id)}`}}`
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
