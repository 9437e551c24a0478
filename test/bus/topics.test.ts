import fc from 'fast-check'
import t from 'tap'
import { channelsOf, formatTopic, parseTopic } from '../../src/bus/topics.js'
import { offenders } from '../support/offenders.js'

t.test('a topic names an agent, a task or a user', async (t) => {
  t.same(parseTopic('agent:a1'), { kind: 'agent', id: 'a1' })
  t.same(parseTopic('task:team:7'), { kind: 'task', id: 'team:7' })
  t.same(parseTopic('user:kc:auth0|7 %'), { kind: 'user', id: 'kc:auth0|7 %' })
  t.equal(formatTopic('task', 'team:7'), 'task:team:7')
})

t.test('anything else is no topic', async (t) => {
  const others = ['', ':', 'agent', 'agent:', 'agent:a b', 'agent:*', `agent:${'x'.repeat(129)}`, 'Agent:a', 'users:u', 'user:', `user:${'x'.repeat(513)}`, '__proto__:x', ':agent', 'control', 'agent:a\n']
  t.same(await offenders(others, other => parseTopic(other) === null), [])
})

t.test('an id cannot shape a channel', async (t) => {
  t.equal(channelsOf('user:a:b{c}*\0%é', '')[0], 'ws:topic:user:a%3Ab%7Bc%7D%2A%00%25%C3%A9')
})

t.test('a channel is listened to in each spelling that libraries write, the documented one first', async (t) => {
  t.same(channelsOf('agent:a1', ''), ['ws:topic:agent:a1'])
  t.same(channelsOf('agent:a:1', 'p:'), ['p:ws:topic:agent:a%3A1', 'p:ws:topic:agent:a%3a1', 'p:ws:topic:agent:a:1'])
  t.same(channelsOf('user:auth0|7', ''), ['ws:topic:user:auth0%7C7', 'ws:topic:user:auth0%7c7', 'ws:topic:user:auth0|7'])
  t.same(channelsOf('user:a@b.example', ''), ['ws:topic:user:a%40b.example', 'ws:topic:user:a@b.example'])
  const id = "o'brien+é@b"
  const spelled = ['o%27brien%2B%C3%A9%40b', 'o%27brien%2b%c3%a9%40b', encodeURIComponent(id), "o'brien%2b%c3%a9%40b", id]
  t.same(channelsOf(`user:${id}`, ''), spelled.map(spelling => `ws:topic:user:${spelling}`))
  t.throws(() => channelsOf('control', ''), TypeError)
})

t.test('a user who is named like the encoding of another does not hear the other', async (t) => {
  t.same(channelsOf('user:a%3Ab', ''), ['ws:topic:user:a%253Ab'])
  t.same(channelsOf('user:a%|', ''), ['ws:topic:user:a%25%7C', 'ws:topic:user:a%25%7c'])
  t.notOk(channelsOf('user:a:b', '').some((channel) => channelsOf('user:a%3Ab', '').includes(channel)))
})

t.test('two topics never share a channel', async (t) => {
  const character = fc.oneof(fc.constantFrom('a', ':', '%', '3', 'A', "'", '7', 'c', 'C', '\ud800', '\ufffd', '{', '|', '\udc00'), fc.string({ unit: 'binary', minLength: 1, maxLength: 2 }))
  const id = fc.array(character, { minLength: 1, maxLength: 8 }).map((characters) => characters.join(''))
  t.doesNotThrow(() => fc.assert(fc.property(id, id, (one, other) => {
    fc.pre(one !== other)
    const bytes = (topic: string): string[] => channelsOf(topic, '').map((channel) => Buffer.from(channel).toString('hex'))
    const shared = bytes(`user:${one}`).filter((channel) => bytes(`user:${other}`).includes(channel))
    return shared.length === 0
  }), { numRuns: 5000 }))
})
