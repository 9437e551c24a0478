import t from 'tap'
import { ExplainRequest, readQuestion } from '../../src/http/read-question.js'

function read (value: unknown): ExplainRequest {
  const parsed = readQuestion(Buffer.from(JSON.stringify(value)))
  if (!parsed.ok || !(parsed.value instanceof ExplainRequest)) throw new Error('it was not read')
  return parsed.value
}

const IDS = 'wanted a list of at most 1024 ids of at most 1024 characters, or one text with commas of at most 16384'
const WANTED = 'wanted an object of token, claims, path, agent_ids, task_ids, address, origin, host, and nothing else'

t.test('a question that fits is read as it is', async (t) => {
  const question = { claims: { sub: 'alice' }, path: '/ws', agent_ids: ['a1'], task_ids: 't1,t2', address: '192.0.2.1', origin: 'https://a.example', host: 'b' }
  t.same(read(question), new ExplainRequest(question, []))
  t.same(read({ token: 'a' }), new ExplainRequest({ token: 'a' }, []))
  t.same(read({}), new ExplainRequest({}, []))
})

t.test('each member that is wrong is named with what is wanted, and the others are read', async (t) => {
  const { question, faults } = read({ token: 7, path: '', agent_ids: [1], task_ids: { a: 1 }, address: null, origin: 'x'.repeat(2049), host: 'b' })
  t.same(question, { host: 'b' })
  t.same(faults, [
    'token: wanted a text of 1 to 32768 characters',
    'path: wanted a text of 1 to 256 characters',
    `agent_ids: ${IDS}`,
    `task_ids: ${IDS}`,
    'address: wanted an IPv4 or IPv6 address',
    'origin: wanted a text of 1 to 2048 characters'
  ])
  t.same(read({ claims: [], host: 'x'.repeat(513) }).faults, ['claims: wanted an object', 'host: wanted a text of 1 to 512 characters'])
})

t.test('a token beside claims is one fault more, also where one of them is wrong by itself', async (t) => {
  t.same(read({ token: 'a', claims: { sub: 'a' } }).faults, ['token or claims, not both'])
  t.same(read({ token: '', claims: { sub: 'a' } }).faults, ['token: wanted a text of 1 to 32768 characters', 'token or claims, not both'])
})

t.test('members of other names are named, unless a token may stand there', async (t) => {
  t.same(read({ agent_id: ['a'], tokens: 'a' }).faults, [`agent_id, tokens: ${WANTED}`])
  t.same(read({ 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln': 1, '': 2 }).faults, [`2 other names: ${WANTED}`])
  t.same(read(Object.fromEntries(Array.from({ length: 7 }, (_, n) => [`n${n}`, n]))).faults, [`n0, n1, n2, n3, n4, 2 other names: ${WANTED}`])
  const inherited = readQuestion(Buffer.from('{"__proto__":{"token":"a"},"constructor":1}'))
  t.match(inherited, { ok: true, value: { question: {}, faults: [`__proto__, constructor: ${WANTED}`] } })
})

t.test('what is no object is refused as a whole', async (t) => {
  for (const text of ['[]', 'null', '"a"', '7']) t.same(readQuestion(Buffer.from(text)), { ok: false, fault: WANTED }, text)
  t.same(readQuestion(Buffer.from('{')), { ok: false, fault: 'the body is not valid JSON' })
})
