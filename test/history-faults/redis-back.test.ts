import t from 'tap'
import { startRedis, type TestRedis } from '../support/redis.js'
import { answerOf, comeBack, faultsOf, range, setUp } from './bench.js'

interface Case {
  readonly title: string
  /** What happens to Redis after events 1 to 5. */
  readonly strike: (redis: TestRedis, topic: string, publishMore: () => Promise<void>) => Promise<void>
  /** Whether who stayed is told a gap; null: it may be. */
  readonly gap: boolean | null
  /** What they are told who return to another process, after event 3, and after the last one before; null: either. */
  readonly recovered: readonly [boolean | null, boolean | null]
}

const keysOf = async ({ client }: TestRedis, topic: string, rest = ''): Promise<string[]> => await client.keys(`ws:history:{ws:topic:${topic}}${rest}`)

const CASES: readonly Case[] = [
  { title: 'FLUSHALL', strike: async ({ client }) => { await client.flushall() }, gap: true, recovered: [false, false] },
  { title: 'the head is evicted alone', strike: async (redis, topic) => { await redis.client.del(...await keysOf(redis, topic)) }, gap: true, recovered: [false, false] },
  { title: 'the events are evicted alone', strike: async (redis, topic) => { await redis.client.del(...await keysOf(redis, topic, ':events:*')) }, gap: false, recovered: [false, true] },
  {
    title: 'a restart that loses nothing',
    strike: async (redis) => {
      await redis.client.save()
      await redis.restart()
    },
    gap: null,
    recovered: [null, null]
  },
  {
    title: 'a restart with an older copy, and more is published than was lost',
    strike: async (redis, _topic, publishMore) => {
      await redis.client.save()
      await publishMore()
      await redis.restart()
    },
    gap: true,
    recovered: [false, false]
  },
  { title: 'a restart that loses everything', strike: async (redis) => { await redis.restart() }, gap: true, recovered: [false, false] }
]

t.test('Redis is not what it was', async (t) => {
  for (const [place, { title, strike, gap, recovered: [early, late] }] of CASES.entries()) {
    await t.test(title, async (t) => {
      const topic = `agent:a${place + 1}`
      const redis = await startRedis(t)
      const { open, publish, publishUntilHeard, startAnother } = await setUp(t, redis.client, { REDIS_URL: redis.url })
      const staying = await open(`agent_ids=a${place + 1}`)
      const positions = await publish(topic, ...range(1, 5))
      let last = 5
      let told = await staying.until(5)
      await strike(redis, topic, async () => {
        positions.push(...await publish(topic, ...range(6, 8)))
        last = 8
        told = [...told, ...await staying.until(8)]
      })
      await publish(topic, ...range(last + 1, last + 3))
      // A process that is away from Redis hears nothing: until it is back, what is published counts as missed.
      last = await publishUntilHeard(topic, last + 4, staying)
      told.push(...await staying.until(last))
      t.same(faultsOf(told, 1), [], 'whoever stayed')
      if (gap !== null) t.equal(told.some(one => typeof one !== 'number'), gap, 'a gap is told')
      const other = await startAnother({})
      for (const [since, expected] of [[positions[2], early], [positions.at(-1), late]] as const) {
        const back = await comeBack({ open }, topic, since ?? '', other)
        const { recovered } = answerOf(back.subscribed, topic)
        if (expected !== null) t.equal(recovered, expected, `after ${since}`)
        await publish(topic, ++last)
        const first = recovered === true ? positions.indexOf(since ?? '') + 2 : last
        t.same(await back.until(last), range(first, last), 'all that was promised and nothing else')
      }
    })
  }
})
