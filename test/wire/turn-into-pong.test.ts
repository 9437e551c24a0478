import fc from 'fast-check'
import t from 'tap'
import { encodeFrame } from '../../src/wire/codec.js'
import { decodeText } from './decode-text.js'
import { turnIntoPong } from '../../src/wire/turn-into-pong.js'
import { offenders } from '../support/offenders.js'

/** What comes back for a frame; null when it is left to the general way, which must then find it untouched. */
function answerTo (text: string): string | null {
  const bytes = new Uint8Array(Buffer.from(text))
  const answered = turnIntoPong(bytes)
  const after = Buffer.from(bytes).toString()
  if (!answered && after !== Buffer.from(text).toString()) throw new Error('changed, but not answered')
  return answered ? after : null
}

/** The answer of the general way; null for what is no `ping`. */
function generalAnswerTo (text: string): string | null {
  const frame = decodeText(text)
  return frame?.type === 'ping' ? encodeFrame({ type: 'pong', id: frame.id }) : null
}

t.test('a ping in its plainest spelling is answered in place, as the general way would answer it', (t) => {
  const ids = ['', '1', ' ', '~', '}', '"}'.slice(1), '<script>', 'a:b,c', 'x'.repeat(64)]
  for (const text of ['{"type":"ping"}', ...ids.map(id => JSON.stringify({ type: 'ping', id }))]) {
    t.equal(answerTo(text), generalAnswerTo(text), text)
    t.not(answerTo(text), null, text)
  }
  t.end()
})

t.test('every other spelling and every malformed ping is left alone', async (t) => {
  const texts = [
    '', '{', '"}', '{"type":"ping"', '{"type":"ping"} ', ' {"type":"ping"}', '{"type":"pong"}', '{"type":"ping" }', '{"type":"ping","id":"', '{"type":"ping","id":"}',
    '{"type":"ping","id":""', '{"type":"ping","id":1}', '{"type":"ping","id":"a","id":"b"}', '{"type":"ping","id":"a","x":"b"}', '{"type":"ping","id":"a\\"}',
    '{"type":"ping","id":"a\\n"}', '{"type":"ping","id":"\\u0041"}', '{"type":"ping","id":"a\tb"}', '{"type":"ping","id":"a\u0000"}', '{"type":"ping","id":"a\u007f"}',
    '{"type":"ping","id":"é"}', '{"type":"ping","id":"😀"}', '{"type":"ping","ID":"a"}', '{"type":"send","id":"a"}', '{"id":"a","type":"ping"}',
    JSON.stringify({ type: 'ping', id: 'x'.repeat(65) }), JSON.stringify({ type: 'ping', id: 'x'.repeat(1_000_000) })
  ]
  t.same(await offenders(texts, text => answerTo(text) === null), [])
})

t.test('whatever stands in the id, an answer in place is never another than that of the general way', async () => {
  fc.assert(fc.property(fc.string({ maxLength: 70, unit: 'binary' }), fc.boolean(), (id, raw) => {
    const text = raw ? `{"type":"ping","id":"${id}"}` : JSON.stringify({ type: 'ping', id })
    const answer = answerTo(text)
    return answer === null || answer === generalAnswerTo(text)
  }), { numRuns: 500 })
})
