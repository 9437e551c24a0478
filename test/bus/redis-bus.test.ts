import { Redis } from '#ioredis'
import t, { type Test } from 'tap'
import type { BusEvent } from '../../src/bus/bus.js'
import type { Gap } from '../../src/bus/gap.js'
import { createRedisBus, type RedisBusOptions } from '../../src/bus/redis-bus.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'
import { SPELLINGS, testBus, type Heard } from './bus-conformance.js'
import { openClient } from './clients.js'

interface Setup extends Partial<Omit<RedisBusOptions, 'client'>> { readonly redis: TestRedis }

async function openBus (t: Test, { redis, ...more }: Setup) {
  const heard: Heard[] = []
  const client = await openClient(t, redis)
  const bus = createRedisBus({ client, prefix: '', timeoutMs: HANG_MS, onEvent: (topic, event) => { heard.push({ topic, event }) }, ...more })
  t.teardown(async () => { await bus.close() })
  return { bus, heard, client }
}

async function listeners (client: Redis, channel: string): Promise<number> {
  const [, count] = await client.pubsub('NUMSUB', channel)
  return Number(count)
}

const shared = await startRedis(t)

t.test('it does what every bus does', async (t) => {
  testBus(t, async (t, onEvent) => (await openBus(t, { redis: shared, prefix: 'conformance:', onEvent })).bus)
})

t.test('the format of the channel and message is what back ends publish', async (t) => {
  const { bus, heard } = await openBus(t, { redis: shared, prefix: 'p:' })
  await bus.subscribe('user:kc:alice')
  await shared.client.publish('p:ws:topic:user:kc:alice', '{"event":"raw","data":1}')
  await shared.client.publish('p:ws:topic:user:kc%3Aalice', '{"event":"encoded","data":2}')
  await shared.client.publish('p:ws:topic:user:kc%3aalice', '{"event":"lower","data":3}')
  await until('all arrived', () => heard.length === 3)
  t.same(heard.map(({ topic, event }) => [topic, event.event]), ['raw', 'encoded', 'lower'].map(event => ['user:kc:alice', event]))
  const other = await openClient(t, shared)
  const seen: string[] = []
  other.on('message', (channel, text) => { seen.push(`${channel} ${text}`) })
  await other.subscribe('p:ws:topic:user:kc%3Aalice')
  await bus.publish('user:kc:alice', { event: 'e', data: [1] })
  await until('it was seen', () => seen.length > 0)
  t.same(seen, ['p:ws:topic:user:kc%3Aalice {"event":"e","data":[1]}'])
})

t.test('a process subscribes to a channel once, and leaves it with its last listener', async (t) => {
  const { bus } = await openBus(t, { redis: shared, prefix: 'count:' })
  const channel = 'count:ws:topic:agent:a'
  await Promise.all([bus.subscribe('agent:a'), bus.subscribe('agent:a'), bus.subscribe('agent:a')])
  t.equal(await listeners(shared.client, channel), 1)
  bus.unsubscribe('agent:a')
  bus.unsubscribe('agent:a')
  await bus.subscribe('agent:other')
  t.equal(await listeners(shared.client, channel), 1)
  bus.unsubscribe('agent:a')
  await until('the channel is left', async () => await listeners(shared.client, channel) === 0)
})

t.test('leaving a topic and wanting it again in the same tick is confirmed and heard', async (t) => {
  const { bus, heard } = await openBus(t, { redis: shared, prefix: 'again:' })
  await bus.subscribe('agent:a')
  bus.unsubscribe('agent:a')
  await bus.subscribe('agent:a')
  bus.unsubscribe('agent:a')
  await new Promise((resolve) => setImmediate(resolve))
  await bus.subscribe('agent:a')
  await bus.publish('agent:a', { event: 'e', data: 1 })
  await until('it arrived', () => heard.length === 1)
})

t.test('what a back end publishes passes on byte for byte, and its other members are not looked at', async (t) => {
  const { bus, heard } = await openBus(t, { redis: shared, prefix: 'bytes:' })
  await bus.subscribe('agent:a')
  const texts = SPELLINGS.flatMap(json => [`{"event":"e","data":${json}}`, ` {"data":1,"more":[{}], "d\\u0061ta" : ${json} ,"event":"no","event":"e"}\n`])
  for (const text of texts) await shared.client.publish('bytes:ws:topic:agent:a', text)
  await until('all arrived', () => heard.length === texts.length)
  t.same(heard.map(({ event: { event, data } }) => [event, String(data)]), SPELLINGS.flatMap(json => [['e', json], ['e', json]]))
})

t.test('what a broken back end publishes is dropped, counted and sampled, and the rest goes on', async (t) => {
  let nowMs = 1_000_000
  const drops: object[] = []
  const { bus, heard } = await openBus(t, { redis: shared, prefix: 'bad:', now: () => nowMs, onInvalid: (report) => { drops.push(report) } })
  await bus.subscribe('agent:a')
  const good: BusEvent = { event: 'good', data: null }
  const send = async (...texts: (string | Buffer)[]): Promise<void> => {
    for (const text of texts) await shared.client.publish('bad:ws:topic:agent:a', text)
    await bus.publish('agent:a', good)
  }
  await send('', 'x', '[]', '{"event":"e"}', Buffer.from([0xff, 0xfe, 0]), 'y'.repeat(1_048_577))
  await until('the good one arrived', () => heard.length === 1)
  t.same(drops, ['not_json', 'wrong_shape', 'not_utf8', 'too_large'].map(reason => ({ reason, dropped: 1 })), 'each reason has a line')
  nowMs += 10_000
  await send('{"event":"","data":1}')
  await until('the next arrived', () => heard.length === 2)
  t.same(drops.slice(4), [{ reason: 'wrong_shape', dropped: 2 }])
  await bus.close()
  t.same(drops.slice(5), [{ reason: 'not_json', dropped: 1 }], 'what was not told is told at close')
})

t.test('10,000 topics are subscribed in one go, by few commands, and left', async (t) => {
  const { bus, heard } = await openBus(t, { redis: shared, prefix: 'many:' })
  const topics = Array.from({ length: 10_000 }, (_, n) => `agent:${n}`)
  const calls = async (): Promise<number> => Number(/cmdstat_subscribe:calls=(\d+)/.exec(await shared.client.info('commandstats'))?.[1])
  await bus.subscribe('agent:first')
  const before = await calls()
  await Promise.all(topics.map(async (topic) => { await bus.subscribe(topic) }))
  t.equal(await calls() - before, 20)
  const sent = shared.client.pipeline()
  for (const topic of topics) sent.publish(`many:ws:topic:${topic}`, JSON.stringify({ event: 'e', data: topic }))
  await sent.exec()
  await until('all arrived', () => heard.length === 10_000)
  t.ok(heard.every(({ topic, event }) => JSON.stringify(topic) === String(event.data)))
  for (const topic of topics) bus.unsubscribe(topic)
  await until('all are left', async () => (await shared.client.pubsub('CHANNELS', 'many:*')).length === 1)
})

t.test('when the connection of the subscriber is killed, it subscribes again by itself and tells of the gap', async (t) => {
  const redis = await startRedis(t)
  const gaps: (number | Gap)[] = []
  const since: number[] = []
  const onGap = (topics: number, sinceMs: number): void => {
    gaps.push(topics)
    since.push(sinceMs)
  }
  const { bus, heard } = await openBus(t, {
    redis, timeoutMs: 8000, onGap, onGapEnd: (gap) => { gaps.push(gap) }
  })
  const topics = Array.from({ length: 1200 }, (_, n) => `task:${n}`)
  await Promise.all(topics.map(async (topic) => { await bus.subscribe(topic) }))
  for (let round = 1; round <= 3; round++) {
    const killedAtMs = Date.now()
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await until('the gap is over', () => gaps.length === 2 * round)
    t.ok((since.at(-1) ?? Infinity) <= killedAtMs, 'it began before the connection was gone')
    t.match(gaps.slice(-2), [1200, { topics: 1200 }])
    heard.length = 0
    await Promise.all(topics.map(async (topic) => { await bus.publish(topic, { event: 'e', data: round }) }))
    await until('all arrived', () => heard.length === 1200)
  }
  for (const topic of topics) bus.unsubscribe(topic)
  await until('all are left', async () => (await redis.client.pubsub('CHANNELS')).length === 0)
})

t.test('while Redis hangs, subscribing and publishing reject within a second, and who still listens is heard late', async (t) => {
  const redis = await startRedis(t)
  const { bus, heard } = await openBus(t, { redis, timeoutMs: 1000 })
  await bus.subscribe('agent:kept')
  redis.pause()
  const began = Date.now()
  const asked = [bus.subscribe('agent:a'), bus.subscribe('agent:b'), bus.publish('agent:kept', { event: 'e', data: 1 })]
  t.ok((await Promise.allSettled(asked)).every(({ status }) => status === 'rejected'))
  t.ok(Date.now() - began < HANG_MS)
  bus.unsubscribe('agent:a')
  redis.resume()
  await until('who did not give up is heard', async () => {
    await redis.client.publish('ws:topic:agent:b', '{"event":"e","data":"b"}')
    return heard.some(({ event }) => String(event.data) === '"b"')
  })
  await until('what was given up is left', async () => await listeners(redis.client, 'ws:topic:agent:a') === 0)
  t.equal(await listeners(redis.client, 'ws:topic:agent:kept'), 1)
})

t.test('taking back a subscription that failed or is under way does not deafen another listener', async (t) => {
  const redis = await startRedis(t)
  const { bus, heard } = await openBus(t, { redis, timeoutMs: 1000 })
  redis.pause()
  const [failing, staying, underWay] = [bus.subscribe('agent:a'), bus.subscribe('agent:a'), bus.subscribe('agent:a')]
  bus.unsubscribe('agent:a')
  t.ok((await Promise.allSettled([failing, staying, underWay])).every(({ status }) => status === 'rejected'))
  bus.unsubscribe('agent:a')
  redis.resume()
  await until('the one that stays is heard', async () => {
    await redis.client.publish('ws:topic:agent:a', '{"event":"e","data":1}')
    return heard.length > 0
  })
  bus.unsubscribe('agent:a')
  await until('the channel is left', async () => await listeners(redis.client, 'ws:topic:agent:a') === 0)
})

t.test('a restarted Redis is subscribed again, and a subscription asked for meanwhile is made', async (t) => {
  const redis = await startRedis(t)
  const { bus, heard } = await openBus(t, { redis, timeoutMs: 8000 })
  await bus.subscribe('agent:old')
  await redis.stop()
  const asked = bus.subscribe('agent:new')
  await redis.restart()
  await asked
  // The connection is made once more where the one for commands comes back after it and cannot tell that both lead to the same server.
  for (const topic of ['agent:old', 'agent:new']) {
    await until(`${topic} is heard`, async () => {
      await redis.client.publish(`ws:topic:${topic}`, '{"event":"e","data":1}')
      return heard.some(one => one.topic === topic)
    })
  }
})

t.test('closing ends the waiting and the connection', async (t) => {
  const redis = await startRedis(t)
  const { bus } = await openBus(t, { redis, timeoutMs: 60_000 })
  await bus.subscribe('agent:a')
  redis.pause()
  const waiting = t.rejects(bus.subscribe('agent:b'), /closed/)
  await new Promise((resolve) => setImmediate(resolve))
  await bus.close()
  await waiting
  redis.resume()
  await until('the connection is gone', async () => (await redis.client.pubsub('CHANNELS')).length === 0)
})

t.test('a channel that is denied is said so at once, and keeps none of the others that are asked for in the same command', async (t) => {
  const redis = await startRedis(t)
  const allow = async (...rules: string[]): Promise<void> => { await redis.client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>pass', '~*', '+@all', ...rules) }
  await allow('resetchannels', '&ws:topic:agent:*')
  const client = new Redis(redis.url.replace('//', '//gate:pass@'))
  t.teardown(() => { client.disconnect() })
  const denied: string[] = []
  const bus = createRedisBus({ client, prefix: '', timeoutMs: HANG_MS, onEvent: () => {}, onRefused: (error) => { denied.push(String(error)) } })
  t.teardown(async () => { await bus.close() })
  const topics = Array.from({ length: 30 }, (_, n) => n % 10 === 3 ? `task:${n}` : `agent:${n}`)
  const outcomes = await Promise.allSettled(topics.map(async topic => { await bus.subscribe(topic) }))
  t.same(topics.filter((_, n) => outcomes[n]?.status === 'rejected'), ['task:3', 'task:13', 'task:23'])
  t.equal(denied.length, 3)
  t.match(denied[0], 'NOPERM')
  await allow('&*')
  await bus.subscribe('task:3')
})
