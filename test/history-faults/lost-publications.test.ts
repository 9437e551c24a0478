import t, { type Test } from 'tap'
import { startRedis, type TestRedis } from '../support/redis.js'
import { startRedisProxy, type RedisProxy } from '../support/redis-proxy.js'
import { until } from '../support/until.js'
import { answerOf, comeBack, QUICK, range, setUp, type Bench } from './bench.js'

interface Stage extends Bench {
  readonly redis: TestRedis
  readonly proxy: RedisProxy
  /** Publishes, and resolves when none of it can arrive any more. */
  publishInVain (topic: string, ...data: number[]): Promise<void>
}

async function setStage (t: Test, env: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const redis = await startRedis(t)
  const proxy = await startRedisProxy(t, redis.port)
  const bench = await setUp(t, redis.client, { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, ...env })
  return {
    ...bench,
    redis,
    proxy,
    async publishInVain (topic, ...data) {
      const swallowing = proxy.swallow(text => text.includes(`ws:topic:${topic}`) && data.some(one => text.includes(`"data":${one}}`)))
      await bench.publish(topic, ...data)
      await until('all are lost', () => swallowing.lost() === data.length)
      swallowing.stop()
    }
  }
}

/** Redis forgets the events of a topic, and not its numbering. */
async function evictEvents ({ client }: TestRedis, topic: string): Promise<void> {
  const keys = await client.keys(`ws:history:{ws:topic:${topic}}:events:*`)
  await client.del(...keys)
}

t.test('what was lost on its way is read from the history, before the event that shows the hole', async (t) => {
  const { open, publish, publishInVain } = await setStage(t)
  const [client, other] = [await open('agent_ids=a1'), await open('agent_ids=a1')]
  await publish('agent:a1', 1)
  await publishInVain('agent:a1', 2)
  await publish('agent:a1', 3)
  await publishInVain('agent:a1', ...range(4, 103))
  await publish('agent:a1', 104, 105)
  for (const each of [client, other]) t.same(await each.until(105), range(1, 105))
  const late = await comeBack({ open }, 'agent:a1', answerOf(client.subscribed, 'agent:a1').pos)
  t.equal(answerOf(late.subscribed, 'agent:a1').recovered, true)
  t.same(await late.until(105), range(1, 105), 'what was healed is a part of the log')
})

t.test('the user\'s own topic is healed too, and who takes only some events gets only these', async (t) => {
  const { open, publish, publishInVain } = await setStage(t)
  const client = await open('agent_ids=a1')
  await publish('user:alice', 1)
  await publishInVain('user:alice', 2, 3)
  await publish('user:alice', 4)
  t.same(await client.until(4), range(1, 4))
})

t.test('an event that was lost and is not followed by another is found by comparing', async (t) => {
  const { open, publish, publishInVain } = await setStage(t, QUICK)
  const client = await open('agent_ids=a1,a2')
  await publish('agent:a1', 1)
  await publishInVain('agent:a1', 2, 3)
  await publishInVain('agent:a2', 4)
  t.same(await client.until(3, 4).then(told => told.toSorted()), [1, 2, 3, 4], 'nothing more was published')
  await publish('agent:a1', 5)
  t.same(await client.until(5), [5])
})

t.test('where the history has lost it meanwhile, a gap is told before the next event', async (t) => {
  await t.test('trimmed by number', async (t) => {
    const { open, publish, publishInVain } = await setStage(t, { WS_HISTORY_EVENTS: '5' })
    const client = await open('agent_ids=a1')
    await publish('agent:a1', 1)
    await publishInVain('agent:a1', ...range(2, 10))
    await publish('agent:a1', 11)
    t.same(await client.until(11), [1, 'gap agent:a1 6', 7, 8, 9, 10, 11])
  })
  await t.test('evicted, and the next event shows it', async (t) => {
    const { redis, open, publish, publishInVain } = await setStage(t)
    const client = await open('agent_ids=a1')
    await publish('agent:a1', 1)
    await publishInVain('agent:a1', 2)
    await evictEvents(redis, 'agent:a1')
    await publish('agent:a1', 3)
    t.same(await client.until(3), [1, 'gap agent:a1 2', 3])
  })
  await t.test('evicted, and nothing more is published', async (t) => {
    const { redis, open, publish, publishInVain } = await setStage(t, QUICK)
    const client = await open('agent_ids=a1')
    await publish('agent:a1', 1)
    await publishInVain('agent:a1', 2)
    await evictEvents(redis, 'agent:a1')
    t.equal((await client.nextOf('event'))['data'], 1)
    const gap = await client.nextOf('gap')
    t.match(gap, { topics: { 'agent:a1': /:2$/ } })
    await publish('agent:a1', 3)
    t.same(await client.until(3), [3])
  })
})

t.test('what arrives after it was read from the history is not delivered twice', async (t) => {
  const { open, publish, proxy } = await setStage(t, QUICK)
  const client = await open('agent_ids=a1')
  await publish('agent:a1', 1)
  const letGo = proxy.hold()
  await publish('agent:a1', 2, 3)
  t.same(await client.until(3), [1, 2, 3], 'found by comparing')
  letGo()
  await publish('agent:a1', 4)
  t.same(await client.until(4), [4])
})
