import t, { type Test } from 'tap'
import { startRedis, type TestRedis } from '../support/redis.js'
import { startRedisProxy, type RedisProxy } from '../support/redis-proxy.js'
import { until } from '../support/until.js'
import { comeBack, faultsOf, answerOf, QUICK, range, setUp, type Bench } from './bench.js'

interface Stage extends Bench {
  readonly redis: TestRedis
  readonly proxy: RedisProxy
}

async function setStage (t: Test, env: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const redis = await startRedis(t)
  const proxy = await startRedisProxy(t, redis.port)
  return { ...await setUp(t, redis.client, { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, ...env }), redis, proxy }
}

const subscribersOf = async ({ client }: TestRedis): Promise<number> =>
  String(await client.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n').filter(line => line !== '').length

t.test('a subscriber is killed: what was published meanwhile arrives once, in order, without a gap', async (t) => {
  const { open, publish, redis, proxy } = await setStage(t)
  const clients = [await open('agent_ids=a1'), await open('agent_ids=a1,a2')]
  await t.test('by Redis, again and again', async (t) => {
    for (let round = 0; round < 5; round++) {
      const publishing = publish('agent:a1', ...range(round * 20 + 1, round * 20 + 20))
      await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await publishing
    }
    for (const client of clients) t.same(await client.until(100), range(1, 100))
  })
  await t.test('and does not come back for a while', async (t) => {
    const letIn = proxy.cutSubscribers()
    await publish('agent:a1', ...range(101, 180))
    await publish('agent:a2', 1, 2, 3)
    await publish('user:alice', 'own 1', 'own 2')
    letIn()
    for (const client of clients) {
      const told: unknown[] = []
      await until('all that was published has come', () => client.waiting.length === (client === clients[0] ? 82 : 85))
      for (let n = client.waiting.length; n > 0; n--) told.push(await client.next())
      const dataOf = (topic: string): unknown[] => (told as Array<Record<string, unknown>>).filter(frame => frame['topic'] === topic).map(({ data }) => data)
      t.same(dataOf('agent:a1'), range(101, 180))
      t.same(dataOf('user:alice'), ['own 1', 'own 2'])
      if (client !== clients[0]) t.same(dataOf('agent:a2'), [1, 2, 3])
    }
  })
})

t.test('longer than the history: a gap is told, then what is kept, in order', async (t) => {
  const { open, publish, proxy } = await setStage(t, { WS_HISTORY_EVENTS: '5' })
  const client = await open('agent_ids=a1')
  await publish('agent:a1', 1)
  t.same(await client.until(1), [1])
  const letIn = proxy.cutSubscribers()
  await publish('agent:a1', ...range(2, 10))
  letIn()
  t.same(await client.until(10), ['gap agent:a1 5', ...range(6, 10)])
  await publish('agent:a1', 11)
  t.same(await client.until(11), [11])
})

t.test('a subscriber that is half open: found by comparing, and replaced', async (t) => {
  const { open, publish, proxy } = await setStage(t, QUICK)
  const client = await open('agent_ids=a1')
  await publish('agent:a1', 1)
  t.same(await client.until(1), [1])
  proxy.freezeSubscribers()
  await publish('agent:a1', ...range(2, 20))
  t.same(await client.until(20), range(2, 20))
  await publish('agent:a1', ...range(21, 42))
  t.same(await client.until(42), range(21, 42))
  await until('it is replaced', () => proxy.subscribers() > 0)
  await publish('agent:a1', ...range(43, 60))
  t.same(await client.until(60), range(43, 60))
})

t.test('a subscriber that is late, again and again', async (t) => {
  const { open, publish, proxy } = await setStage(t, QUICK)
  const client = await open('agent_ids=a1')
  for (let round = 0; round < 10; round++) {
    const letGo = proxy.hold()
    await publish('agent:a1', ...range(round * 10 + 1, round * 10 + 10))
    // Every other time the history is faster.
    if (round % 2 === 0) t.same(await client.until(round * 10 + 10), range(round * 10 + 1, round * 10 + 10))
    letGo()
    if (round % 2 === 1) t.same(await client.until(round * 10 + 10), range(round * 10 + 1, round * 10 + 10))
  }
})

t.test('a process that stands still', async (t) => {
  await t.test('hears what others published meanwhile when it goes on', async (t) => {
    const { gateway, open, publish, startAnother } = await setStage(t)
    const other = await startAnother({})
    const [client, elsewhere] = [await open('agent_ids=a1'), await open('agent_ids=a1', other)]
    const [start = ''] = await publish('agent:a1', 1)
    t.same(await client.until(1), [1])
    gateway.signal('SIGSTOP')
    await publish('agent:a1', ...range(2, 60))
    t.same(await elsewhere.until(60), range(1, 60), 'nobody else waits for it')
    const moved = await comeBack({ open }, 'agent:a1', start, other)
    t.equal(answerOf(moved.subscribed, 'agent:a1').recovered, true)
    t.same(await moved.until(60), range(2, 60))
    gateway.signal('SIGCONT')
    t.same(await client.until(60), range(2, 60))
  })
  await t.test('until Redis has given up its subscriber', async (t) => {
    const redis = await startRedis(t, { args: ['--client-output-buffer-limit', 'pubsub 1mb 1mb 1'] })
    const { gateway, open, publish } = await setUp(t, redis.client, { REDIS_URL: redis.url, WS_HISTORY_BYTES: '268435456', WS_HISTORY_EVENTS: '10000' })
    const client = await open('agent_ids=a1')
    await publish('agent:a1', 0)
    t.same(await client.until(0), [0])
    const before = await subscribersOf(redis)
    gateway.signal('SIGSTOP')
    const large = 'x'.repeat(100_000)
    let last = 0
    await until('it has', async () => {
      await publish('agent:a1', `${++last} ${large}`)
      return await subscribersOf(redis) < before
    })
    gateway.signal('SIGCONT')
    await publish('agent:a1', 'the end')
    const told = await client.until('the end')
    t.same(faultsOf(told.slice(0, -1).map(one => String(one).startsWith('gap') ? one : Number(String(one).split(' ')[0])), 1), [])
    t.notOk(told.some(one => String(one).startsWith('gap')), 'all of it is in the history')
  })
})
