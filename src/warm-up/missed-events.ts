import { formatTopic } from '../bus/topics.js'
import { formatPayload } from '../history/event-payload.js'
import { formatPosition } from '../history/position.js'
import { KINDS } from '../kinds.js'
import { JsonText } from '../wire/json-text.js'

/** What the visitors say they have missed: all events of one topic, as who comes back after a restart does. */
const [KIND] = KINDS
const ID = 'missed'
const TOPIC = formatTopic(KIND.kind, ID)
/** As one is: hex digits. */
const EPOCH = '0'.repeat(24)
const COUNT = 4
/** When they were published, in ms since the epoch: one time, as another would be that of another event. */
const AT_MS = Date.now()

/** What a token says of the topic, for the rights that are read from claims. */
export const MISSED_CLAIMS: Readonly<Record<string, readonly string[]>> = { [KIND.claim]: [ID] }
/** The frame that asks for them: under 126 bytes. */
export const MISSED_WISH = JSON.stringify({
  type: 'subscribe', [KIND.list]: [ID], since: { [TOPIC]: formatPosition({ epoch: EPOCH, offset: 0 }) }
})
/** Begins either answer to that frame. */
export const MISSED_ANSWER = /"type":"(?:subscribed|error)"/

/** A topic that nothing was published to, as the scripts tell of it that read heads. */
export const EMPTY_HEAD = `${EPOCH} 0 0 0`

/** What `read-heads.lua` answers for the topic of this key. */
export function headOf (historyKey: string): string {
  return historyKey.endsWith(`:${TOPIC}}`) ? `${EPOCH} ${COUNT} ${AT_MS} 1` : EMPTY_HEAD
}

/** What `read-events.lua` answers: the head, the offset of the first event, and the events. */
export function answerMissed (): ReadonlyArray<string | number> {
  const data = JsonText.from({ text: 'stand-in' })
  const events = Array.from({ length: COUNT }, (_, n) =>
    formatPayload({ epoch: EPOCH, offset: n + 1 }, AT_MS, { event: 'message', data, id: null }).toString())
  return [`${EPOCH} ${COUNT} ${AT_MS}`, 1, ...events]
}
