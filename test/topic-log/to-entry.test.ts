import t from 'tap'
import { readKept, toEntry } from '../../src/topic-log/to-entry.js'
import { replayOf } from '../../src/topic-log/log-entry.js'
import { JsonText } from '../../src/wire/json-text.js'

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const EPOCH = '0123456789abcdef01234567'
const PLACE = { epoch: EPOCH, offset: 1, atMs: 0, id: 'i', trace: TRACE }
const EVENT = { event: 'e', data: JsonText.from(1) }
const KEPT = { offset: 1, payload: Buffer.from(`{"pos":"${EPOCH}:1","ts":0,"id":"i","trace":"${TRACE}","event":"e","data":1}`) }
const frameOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

t.test('the publisher\'s trace stands in the frame where it is to be shown, live and replayed', async (t) => {
  const frame = `{"type":"event","topic":"agent:a1","event":"e","data":1,"ts":"1970-01-01T00:00:00.000Z","pos":"${EPOCH}:1","id":"i","trace":"${TRACE}"}`
  t.equal(frameOf(toEntry('agent:a1', EVENT, PLACE, true).frame), frame)
  t.equal(frameOf(replayOf(readKept('agent:a1', KEPT, true))), frame.replace(/\}$/, ',"replayed":true}'))
})

t.test('where it is not, a trace that others have published with the event is left out', async (t) => {
  t.notMatch(frameOf(toEntry('agent:a1', EVENT, PLACE).frame), 'trace')
  t.notMatch(frameOf(readKept('agent:a1', KEPT).frame), 'trace')
})
