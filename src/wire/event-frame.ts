import { JsonText } from './json-text.js'
import { quote } from './quote.js'

/** An event for one topic. `data`: any JSON value, or a `JsonText`. */
interface TopicEvent {
  readonly topic: string
  readonly event: string
  readonly data: unknown
  readonly ts: Date
}

/** Writes an `event` frame in UTF-8; the bytes of its data are the publisher's. Throws as `JsonText.from`. */
export function encodeEvent ({ topic, event, data, ts }: TopicEvent): Buffer {
  const { bytes } = JsonText.from(data)
  const head = `{"type":"event","topic":${quote(topic)},"event":${quote(event)},"data":`
  const tail = `,"ts":"${ts.toISOString()}"}`
  const headBytes = Buffer.byteLength(head)
  const frame = Buffer.allocUnsafe(headBytes + bytes.length + tail.length)
  frame.write(head)
  frame.set(bytes, headBytes)
  frame.write(tail, headBytes + bytes.length, 'latin1')
  return frame
}
