import t from 'tap'
import { formatBusMessage, MAX_EVENT_BYTES, parseBusMessage } from '../../src/bus/bus-message.js'
import { offenders } from '../support/offenders.js'

/** With the data's text in place of it. */
function parse (text: string | Buffer): unknown {
  const { event } = parseBusMessage(Buffer.from(text))
  return typeof event === 'string' ? event : { event: event.event, data: String(event.data) }
}
const asText = (event: string, data: unknown): unknown => ({ event, data: JSON.stringify(data) })

t.test('an event is a name of 1 to 128 characters and any JSON', async (t) => {
  for (const data of [null, 0, '', false, [], {}, { a: [1, { b: null }] }]) {
    t.same(parse(JSON.stringify({ event: 'e', data })), asText('e', data))
    t.same(parse(formatBusMessage({ event: 'e', data })), asText('e', data))
  }
  t.same(parse(JSON.stringify({ event: 'x'.repeat(128), data: 1, more: 2 })), asText('x'.repeat(128), 1))
})

t.test('what is no event is told apart, never thrown', async (t) => {
  t.same(await offenders(['', 'hello', '{', '{"event":"e","data":1}x', '\ufeff{"event":"e","data":1}', 'undefined', '1e'], text => parse(text) === 'not_json'), [])
  const shapes = ['null', '1', '[]', '"x"', '{}', '{"event":"e"}', '{"data":1}', '{"event":"","data":1}', '{"event":1,"data":1}',
    `{"event":"${'x'.repeat(129)}","data":1}`, '[{"event":"e","data":1}]', '{"__proto__":{"event":"e","data":1}}']
  t.same(await offenders(shapes, text => parse(text) === 'wrong_shape'), [])
})

t.test('a trace is read where it stands, and one that is no traceparent is none', async (t) => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const placed = (members: string): Buffer => Buffer.from(`{"pos":"0123456789abcdef0123456789abcdef:1","ts":5${members}}`)
  t.match(parseBusMessage(placed(`,"id":"i","trace":"${trace}","event":"e","data":1`)), { event: { event: 'e' }, place: { id: 'i', trace } })
  t.match(parseBusMessage(placed(`,"trace":"${trace}","event":"e","data":1`)), { event: { event: 'e' }, place: { id: null, trace } })
  const { event, place } = parseBusMessage(placed(',"trace":"00-0\\"","event":"e","data":1'))
  t.match(event, { event: 'e' }, 'the event itself is not refused for it')
  t.notOk(place !== null && 'trace' in place)
  t.equal(parseBusMessage(placed(`,"trace":"${trace}","id":"i","event":"e","data":1`)).event, 'wrong_shape', 'in one order only')
})

t.test('a depth bomb is refused before anything recurses into it', async (t) => {
  const nested = (depth: number): string => `{"event":"e","data":${'['.repeat(depth)}${']'.repeat(depth)}}`
  t.match(parse(nested(128)), { event: 'e' })
  t.equal(parse(nested(129)), 'too_deep')
  t.equal(parse(nested(500_000)), 'too_deep')
  t.throws(() => formatBusMessage({ event: 'e', data: JSON.parse('['.repeat(129) + ']'.repeat(129)) }), RangeError)
})

t.test('an event takes at most 1 MiB', async (t) => {
  const frame = JSON.stringify({ event: 'e', data: '' }).length
  const fitting = { event: 'e', data: 'x'.repeat(MAX_EVENT_BYTES - frame) }
  t.same(parse(formatBusMessage(fitting)), asText('e', fitting.data))
  t.equal(parse(JSON.stringify({ event: 'e', data: fitting.data + 'x' })), 'too_large')
  t.throws(() => formatBusMessage({ event: 'e', data: fitting.data + 'x' }), RangeError)
  t.throws(() => formatBusMessage({ event: 'e', data: 'é'.repeat(MAX_EVENT_BYTES / 2) }), RangeError)
})

t.test('what is no event is not published', async (t) => {
  t.throws(() => formatBusMessage({ event: '', data: 1 }), TypeError)
  t.throws(() => formatBusMessage({ event: 'x'.repeat(129), data: 1 }), TypeError)
  t.throws(() => formatBusMessage({ event: 'e', data: undefined }), TypeError)
})
