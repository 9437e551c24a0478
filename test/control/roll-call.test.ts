import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createRollCall, type Part, type Question, type RollCall, type RollCallAnswer } from '../../src/control/roll-call.js'
import { openClient } from '../bus/clients.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const PREFIX = 'p:'
const redis = await startRedis(t)

const isText = (entry: unknown): entry is string => typeof entry === 'string'

const aboutAlice: Question = { subject: 'alice', after: null, limit: 10 }
const entriesOf = ({ parts }: RollCallAnswer<string>): string[] => parts.flatMap(({ entries }) => entries).toSorted()

type Answer = (question: Question) => readonly string[] | Part<string>
type OnGiveBack = (addresses: readonly string[]) => void

async function openRollCall (t: Test, answer: Answer, timeoutMs = 10_000, onGiveBack: OnGiveBack = () => {}): Promise<RollCall<string>> {
  const toPart = (question: Question): Part<string> => {
    const found = answer(question)
    return 'more' in found ? found : { entries: found, more: false }
  }
  const client = await openClient(t, redis)
  const rollCall = createRollCall({ client, prefix: PREFIX, answer: toPart, isEntry: isText, onGiveBack, timeoutMs })
  rollCall.start()
  t.teardown(() => { rollCall.close() })
  return rollCall
}

async function untilListening (processes: number): Promise<void> {
  await until('all listen', async () => {
    const [, asked] = await redis.client.pubsub('NUMSUB', `${PREFIX}ws:control:ask`)
    return Number(asked) === processes && (await redis.client.pubsub('CHANNELS', `${PREFIX}ws:control:answer:*`)).length === processes
  })
}

t.test('the parts of all processes are joined', async (t) => {
  const one = await openRollCall(t, ({ subject }) => [`one knows ${subject}`])
  await openRollCall(t, () => [])
  await openRollCall(t, ({ subject }) => [`three knows ${subject}`, 'and more'])
  await untilListening(3)
  t.same(entriesOf(await one.ask(aboutAlice)), ['and more', 'one knows alice', 'three knows alice'])
})

t.test('what is no entry of this version is left out, and the rest of that answer stays', async (t) => {
  await until('the others are gone', async () => (await redis.client.pubsub('CHANNELS', `${PREFIX}*`)).length === 0)
  const one = await openRollCall(t, () => ['mine'])
  const other = await openClient(t, redis)
  const answering = await openClient(t, redis)
  await answering.subscribe(`${PREFIX}ws:control:ask`)
  answering.on('message', (_channel: string, text: string) => {
    const { id, reply_to: replyTo }: { id: string, reply_to: string } = JSON.parse(text)
    void other.publish(replyTo, JSON.stringify({ type: 'answer', id, part: [7, 'theirs', null] }))
  })
  await until('both listen', async () => Number((await redis.client.pubsub('NUMSUB', `${PREFIX}ws:control:ask`))[1]) === 2 &&
    (await redis.client.pubsub('CHANNELS', `${PREFIX}ws:control:answer:*`)).length === 1)
  t.same(entriesOf(await one.ask(aboutAlice)), ['mine', 'theirs'])
})

t.test('a question is answered on channels of our own kind only', async (t) => {
  await until('the others are gone', async () => (await redis.client.pubsub('CHANNELS', `${PREFIX}*`)).length === 0)
  await openRollCall(t, () => ['mine'])
  await untilListening(1)
  const heard: string[] = []
  const listener = await openClient(t, redis)
  const own = `${PREFIX}ws:control:answer:${randomUUID()}`
  await listener.subscribe('elsewhere', own)
  listener.on('message', (channel: string) => { heard.push(channel) })
  for (const replyTo of ['elsewhere', own]) {
    await redis.client.publish(`${PREFIX}ws:control:ask`, JSON.stringify({ type: 'ask', id: '1', subject: 'alice', reply_to: replyTo }))
  }
  await until('it answered', () => heard.length > 0)
  t.same(heard, [own])
})

t.test('an answer that would be too long is cut, and says so; a question may be about everything', async (t) => {
  await until('the others are gone', async () => (await redis.client.pubsub('CHANNELS', `${PREFIX}*`)).length === 0)
  const asked: Question[] = []
  const one = await openRollCall(t, (question) => {
    asked.push(question)
    return { entries: Array.from({ length: 20 }, (_, n) => String(n).padEnd(100_000, 'x')), more: false }
  })
  await untilListening(1)
  const { parts: [part], missing } = await one.ask({ subject: null, after: 'a', limit: 20 })
  t.same(asked, [{ subject: null, after: 'a', limit: 20 }])
  t.equal(missing, 0)
  t.equal(part?.entries.length, 10)
  t.equal(part?.more, true)
})

t.test('a process of the version before is asked for one subject as ever, and for everything knows nothing', async (t) => {
  await until('the others are gone', async () => (await redis.client.pubsub('CHANNELS', `${PREFIX}*`)).length === 0)
  const one = await openRollCall(t, () => [])
  const [old, answering] = [await openClient(t, redis), await openClient(t, redis)]
  await answering.subscribe(`${PREFIX}ws:control:ask`)
  answering.on('message', (_channel: string, text: string) => {
    const { id, subject, reply_to: replyTo }: { id: string, subject: string, reply_to: string } = JSON.parse(text)
    void old.publish(replyTo, JSON.stringify({ type: 'answer', id, part: subject === 'alice' ? ['hers'] : [] }))
  })
  await until('both listen', async () => Number((await redis.client.pubsub('NUMSUB', `${PREFIX}ws:control:ask`))[1]) === 2 &&
    (await redis.client.pubsub('CHANNELS', `${PREFIX}ws:control:answer:*`)).length === 1)
  t.same(entriesOf(await one.ask(aboutAlice)), ['hers'])
  t.same(entriesOf(await one.ask({ ...aboutAlice, subject: null })), [])
})

t.test('what is wanted back is heard by all, those of one tick in one message, and other messages are passed over', async (t) => {
  await until('the others are gone', async () => (await redis.client.pubsub('CHANNELS', `${PREFIX}*`)).length === 0)
  const heard: Array<readonly string[]> = []
  const [one] = await Promise.all([0, 1].map(async () => await openRollCall(t, () => [], 10_000, (addresses) => { heard.push(addresses) })))
  await untilListening(2)
  const channel = `${PREFIX}ws:control:ask`
  for (const text of ['noise', '{"type":"give_back"}', '{"type":"give_back","addresses":[7]}', '{"type":"of another version"}']) {
    await redis.client.publish(channel, text)
  }
  for (const address of ['192.0.2.1', '2001:db8:1:2::/64', '192.0.2.1']) one?.askBack(address)
  await until('both have heard', () => heard.length === 2)
  t.same(heard, [['192.0.2.1', '2001:db8:1:2::/64'], ['192.0.2.1', '2001:db8:1:2::/64']])
  const many = Array.from({ length: 201 }, (_, i) => `192.0.2.${i}`)
  for (const address of many) one?.askBack(address)
  await until('both have heard of them', () => heard.length === 6)
  t.same([...new Set(heard.slice(2).flat())], many)
})

t.test('a process that does not answer in time is counted as missing', async (t) => {
  await until('the others are gone', async () => (await redis.client.pubsub('CHANNELS', `${PREFIX}*`)).length === 0)
  const one = await openRollCall(t, () => ['mine'], 200)
  const silent = await openClient(t, redis)
  await silent.subscribe(`${PREFIX}ws:control:ask`)
  await until('both listen', async () => Number((await redis.client.pubsub('NUMSUB', `${PREFIX}ws:control:ask`))[1]) === 2 &&
    (await redis.client.pubsub('CHANNELS', `${PREFIX}ws:control:answer:*`)).length === 1)
  const answer = await one.ask(aboutAlice)
  t.same([entriesOf(answer), answer.missing], [['mine'], 1])
})
