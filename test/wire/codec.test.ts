import fc from 'fast-check'
import t from 'tap'
import { decodeFrame, encodeFrame } from '../../src/wire/codec.js'
import type { ServerFrame } from '../../src/wire/frames.js'
import { offenders } from '../support/offenders.js'
import { decodeText } from './decode-text.js'

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `id-${index}`)

t.test('well-formed frames are read as they are', async (t) => {
  const frames: unknown[] = [
    { type: 'ping' },
    { type: 'ping', id: '' },
    { type: 'ping', id: 'x'.repeat(64) },
    { type: 'refresh', token: 'a.b.c' },
    { type: 'subscribe', agent_ids: ['a'] },
    { type: 'subscribe', id: '1', agent_ids: ['a', 'a:b._-Z9'], task_ids: ['t'.repeat(128)], event_types: ['x.y'] },
    { type: 'subscribe', agent_ids: ids(51) },
    { type: 'subscribe', agent_ids: '*', task_ids: ['*'] },
    { type: 'subscribe' },
    { type: 'unsubscribe', agent_ids: ids(1000), task_ids: '*' },
    { type: 'send', to: 'agent:a1', data: null },
    { type: 'send', to: 'task:t:1', data: { any: ['thing', 1.5, { deep: true }] }, id: 'm' },
    { type: 'send', to: 'task:t', data: 'text' }
  ]
  for (const frame of frames) t.same(decodeText(JSON.stringify(frame)), frame, JSON.stringify(frame).slice(0, 80))
  t.same(decodeText(' \n{"type":"ping"}\t'), { type: 'ping' }, 'white space around is JSON')
})

const MALFORMED = [
  '', ' ', 'ping', '{', '{"type":"ping"', '{"type":"ping"}}', '{"type":"ping"}{"type":"ping"}', "{'type':'ping'}", '{"type":"ping",}', '\uFEFF{"type":"ping"}', '\u0000',
  'null', 'true', '0', '1e999', '"ping"', '[]', '[{"type":"ping"}]', '{}', '{"id":"1"}',
  '{"type":null}', '{"type":1}', '{"type":["ping"]}', '{"type":{"ping":1}}', '{"type":""}', '{"type":"Ping"}', '{"type":"welcome"}', '{"type":"__proto__"}',
  '{"type":"constructor"}', '{"type":"toString"}', '{"type":"ping","type":"pong"}',
  '{"type":"ping","id":1}', '{"type":"ping","id":null}', `{"type":"ping","id":"${'x'.repeat(65)}"}`, '{"type":"ping","id":["a"]}', '{"type":"ping","extra":1}',
  '{"type":"ping","__proto__":{"id":1}}', '{"type":"ping","constructor":{}}',
  '{"type":"refresh"}', '{"type":"refresh","token":""}', '{"type":"refresh","token":1}', '{"type":"refresh","token":"t","ticket":"t"}', `{"type":"refresh","ticket":"${'x'.repeat(257)}"}`,
  '{"type":"subscribe","agent_ids":[]}', '{"type":"subscribe","agent_ids":""}', '{"type":"subscribe","agent_ids":"a1"}', '{"type":"subscribe","agent_ids":{"0":"a"}}',
  '{"type":"subscribe","agent_ids":[1]}', '{"type":"subscribe","agent_ids":["a",null]}', '{"type":"subscribe","agent_ids":["a","*"]}', '{"type":"subscribe","agent_ids":["*","*"]}',
  '{"type":"subscribe","agent_ids":["a b"]}', '{"type":"subscribe","agent_ids":["a\\n"]}', '{"type":"subscribe","agent_ids":["a\\u0000"]}', '{"type":"subscribe","agent_ids":["é"]}',
  '{"type":"subscribe","agent_ids":[""]}', `{"type":"subscribe","task_ids":["${'x'.repeat(129)}"]}`, '{"type":"subscribe","agents":["a"]}', '{"type":"subscribe","event_types":[]}',
  '{"type":"unsubscribe","event_types":["x"]}', '{"type":"unsubscribe","agent_ids":[]}',
  '{"type":"send","to":"agent:a"}', '{"type":"send","data":1}', '{"type":"send","to":"user:alice","data":1}', '{"type":"send","to":"agent:","data":1}',
  '{"type":"send","to":"a1","data":1}', '{"type":"send","to":"agent:a b","data":1}', '{"type":"send","to":"agent:a\\n","data":1}', '{"type":"send","to":["agent:a"],"data":1}',
  '{"type":"send","to":"xagent:a","data":1}', '{"type":"send","to":"agent:*","data":1}'
]

t.test('what is malformed is nothing: wrong syntax, type, field or value', async (t) => {
  t.same(await offenders(MALFORMED, text => decodeText(text) === null), [])
  t.equal(decodeText(JSON.stringify({ type: 'subscribe', agent_ids: ids(10_001) })), null, 'too many even to look at')
})

t.test('a frame but `send` may have 262,144 bytes, and a `send` as many as a message', async (t) => {
  const padded = (text: string, bytes: number): string => text.padEnd(bytes)
  for (const text of ['{"type":"ping"}', '{"type":"unsubscribe"}', '{"type":"refresh","token":"t"}', '{"type":"subscribe","agent_ids":["a"]}']) {
    t.not(decodeText(padded(text, 262_144)), null, text)
    t.equal(decodeText(padded(text, 262_145)), null, text)
  }
  const send = '{"type":"send","to":"agent:a","data":1}'
  t.not(decodeText(padded(send, 1_048_576)), null)
  t.equal(decodeText(padded(send.replace('{', `{"id":"${'x'.repeat(2000)}",`), 262_145)), null, 'its other fields are short')
  t.not(decodeText(`{"type":"send","to":"agent:${'\\u0061'.repeat(128)}","id":"${'\\u00e9'.repeat(64)}","data":1}`), null, 'as escapes, too')
})

t.test('the data of a `send` is a part of the bytes that came, unread', async (t) => {
  const bytes = Buffer.from('{"data": {"n":9007199254740993,"n":1e400} ,"to":"agent:a","type":"send"}')
  const frame = decodeFrame(bytes)
  t.ok(frame.type === 'send' && frame.data.buffer === bytes.buffer)
  t.equal(frame.type === 'send' && String(frame.data), '{"n":9007199254740993,"n":1e400}')
})

t.test('a malformed frame that is JSON says which it was', async (t) => {
  const idOf = (text: string): unknown => {
    const frame = decodeFrame(Buffer.from(text))
    return frame.type === 'malformed' ? frame.id : 'well-formed'
  }
  t.same(['{"type":"x","id":"1"}', '{"type":"ping","id":"a","more":1,"id":"b"}', `{"type":"ping","id":"c"}${' '.repeat(262_144)}`, '{"type":"send","to":"agent:a","id":"d"}'].map(idOf), ['1', 'b', 'c', 'd'])
  t.same(['{"type":"x","id":"1"', '{"type":"x","id":1}', `{"type":"x","id":"${'x'.repeat(65)}"}`, '["id"]', '{"type":"x"}'].map(idOf), Array(5).fill(undefined))
})

t.test('a trace has the form of W3C Trace Context', async (t) => {
  const withTrace = (trace: unknown): unknown => decodeText(JSON.stringify({ type: 'send', to: 'agent:a', data: 1, traceparent: trace }))
  t.match(withTrace('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'), { traceparent: /^00-/ })
  for (const trace of ['', '00', 1, '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ']) t.equal(withTrace(trace), null)
})

t.test('names of the prototype are data like any other, and change nothing', async (t) => {
  const frame = decodeText('{"type":"send","to":"agent:a","data":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}}')
  t.ok(frame?.type === 'send')
  t.equal(({} as { polluted?: number }).polluted, undefined)
  t.equal(Object.getPrototypeOf(frame), Object.prototype)
})

t.test('a bomb of depth or of length is read or refused, and never throws', async (t) => {
  const deep = 500_000
  t.doesNotThrow(() => decodeText('['.repeat(deep)))
  t.equal(decodeText(`{"type":"ping","id":${'['.repeat(deep)}${']'.repeat(deep)}}`), null)
  t.doesNotThrow(() => decodeText(`{"type":"send","to":"agent:a","data":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`))
  t.equal(decodeText(`{"type":"ping","id":"${'x'.repeat(1_000_000)}"}`), null)
})

const id = fc.stringMatching(/^[A-Za-z0-9._:-]{1,128}$/)
const list = fc.oneof(fc.array(id, { minLength: 1, maxLength: 60 }), fc.constant('*'), fc.constant(['*']))
const frameId = fc.string({ maxLength: 30 })
const validFrame = fc.oneof(
  fc.record({ type: fc.constant('ping'), id: frameId }, { requiredKeys: ['type'] }),
  fc.record({ type: fc.constant('refresh'), token: fc.string({ minLength: 1 }), id: frameId }, { requiredKeys: ['type', 'token'] }),
  fc.record({ type: fc.constant('subscribe'), id: frameId, agent_ids: list, task_ids: list, event_types: list }, { requiredKeys: ['type'] }),
  fc.record({ type: fc.constant('unsubscribe'), id: frameId, agent_ids: list, task_ids: list }, { requiredKeys: ['type'] }),
  fc.record({ type: fc.constant('send'), id: frameId, to: fc.tuple(fc.constantFrom('agent:', 'task:'), id).map(parts => parts.join('')), data: fc.jsonValue() }, { requiredKeys: ['type', 'to', 'data'] })
)

t.test('any well-formed frame survives the wire unchanged', async (t) => {
  fc.assert(fc.property(validFrame, (frame) => {
    const text = JSON.stringify(frame)
    return JSON.stringify(decodeText(text)) === text
  }), { numRuns: 500 })
  t.pass()
})

t.test('any text is a frame of a known type or nothing, never an exception', async (t) => {
  const almost = fc.tuple(validFrame, fc.nat(), fc.string({ maxLength: 3 })).map(([frame, place, noise]) => {
    const text = JSON.stringify(frame)
    const at = place % text.length
    return text.slice(0, at) + noise + text.slice(at + 1)
  })
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), almost), (text) => {
    const frame = decodeText(text)
    return frame === null || ['ping', 'refresh', 'subscribe', 'unsubscribe', 'send'].includes(frame.type)
  }), { numRuns: 2000 })
  t.pass()
})

t.test('one more field, whatever it is called, makes a frame malformed', async (t) => {
  fc.assert(fc.property(validFrame, fc.string(), fc.jsonValue(), (frame, name, value) => {
    fc.pre(!['type', 'id', 'token', 'agent_ids', 'task_ids', 'event_types', 'to', 'data'].includes(name))
    return decodeText(JSON.stringify(frame).replace(/}$/, `,${JSON.stringify(name)}:${JSON.stringify(value)}}`)) === null
  }))
  t.pass()
})

t.test('a server frame has its type first and leaves out what is not there', async (t) => {
  const frame: ServerFrame = { type: 'subscribed', id: undefined, agent_ids: ['a'], task_ids: [], positions: {} }
  t.equal(encodeFrame(frame), '{"type":"subscribed","agent_ids":["a"],"task_ids":[],"positions":{}}')
  t.equal(encodeFrame({ type: 'pong', id: '\ud800' }), '{"type":"pong","id":"\\ud800"}', 'a lone surrogate stays valid UTF-8')
})
