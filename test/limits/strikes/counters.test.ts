import t, { type Test } from 'tap'
import { createMemoryStrikes, createRedisStrikes, type CountStrikes, type StrikeSettings } from '../../../src/limits/strikes/counters.js'
import { startRedis, startRedisCluster } from '../../support/redis.js'
import { connectRedis } from '../../../src/redis/connect.js'
import { createTestClock, runByClock, type TestClock } from '../clocks.js'
import { HANG_MS } from '../../support/until.js'

const SETTINGS: StrikeSettings = { banAfter: 3, windowMs: 60_000 }
const A = '192.0.2.1'
const one = (address = A, count = 1) => new Map([[address, count]])

function testCounter (t: Test, make: (settings?: StrikeSettings) => { count: CountStrikes, clock: TestClock }): void {
  t.test('the number within a window is enough, and the count begins anew', async (t) => {
    const { count, clock } = make()
    t.same(await count(one()), [])
    clock.advance(20_000)
    t.same(await count(one()), [])
    clock.advance(20_000)
    t.same(await count(one()), [A])
    t.same(await count(one()), [])
  })

  t.test('spread over more than a window they are never enough, over no edge', async (t) => {
    const { count, clock } = make()
    for (let i = 0; i < 20; i++) {
      t.same(await count(one()), [])
      clock.advance(31_100)
    }
  })

  t.test('within a window they are enough over any edge', async (t) => {
    const { count, clock } = make()
    clock.advance(59_000)
    t.same(await count(one(A, 2)), [])
    clock.advance(58_000)
    t.same(await count(one()), [A])
  })

  t.test('what came at once counts in full, each address by itself', async (t) => {
    const { count } = make()
    t.same(await count(new Map([[A, 2], ['192.0.2.2', 3], ['2001:db8::/64', 100], ['192.0.2.3', 1]])), ['192.0.2.2', '2001:db8::/64'])
    t.same(await count(new Map([[A, 1], ['192.0.2.2', 1]])), [A])
  })

  t.test('one can be enough, and a million not yet', async (t) => {
    t.same(await make({ banAfter: 1, windowMs: 1000 }).count(one()), [A])
    const { count } = make({ banAfter: 1_000_000_000, windowMs: 1000 })
    t.same(await count(one(A, 1_000_000)), [])
    t.same(await count(one(A, 999_000_000)), [A])
  })
}

t.test('in memory', (t) => {
  testCounter(t, (settings = SETTINGS) => {
    const clock = createTestClock(1_800_000_000_000)
    return { count: createMemoryStrikes(settings, clock.now), clock }
  })
  t.end()
})

t.test('in Redis', async (t) => {
  const redis = await startRedis(t)
  let prefixes = 0
  testCounter(t, (settings = SETTINGS) => {
    const clock = createTestClock(1_800_000_000_000)
    return { count: createRedisStrikes(runByClock(redis.client, clock), `t${prefixes++}:`, settings), clock }
  })

  await t.test('two processes count as one', async (t) => {
    const [first, second] = [1, 2].map(() => createRedisStrikes(redis.client, 'two:', SETTINGS)) as [CountStrikes, CountStrikes]
    t.same([await first(one()), await second(one()), await first(one()), await second(one())], [[], [], [A], []])
  })

  await t.test('no key is without an end, and 500 addresses are one call', async (t) => {
    const calls = async (): Promise<number> => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0)
    const count = createRedisStrikes(redis.client, 'end:', { banAfter: 10, windowMs: 5000 })
    await count(one())
    const before = await calls()
    await count(new Map(Array.from({ length: 500 }, (_, i) => [`10.0.${i >> 8}.${i & 255}`, 1])))
    t.equal(await calls() - before, 1)
    const keys = await redis.client.keys('end:*')
    t.equal(keys.length, 501)
    t.ok(keys.includes(`end:ws:strikes:${A}`))
    const left = await Promise.all(keys.map(async key => await redis.client.pttl(key)))
    t.ok(left.every(ms => ms > 0 && ms <= 5400), `${Math.min(...left)} to ${Math.max(...left)} ms`)
  })
})

t.test('on a cluster', async (t) => {
  const cluster = await startRedisCluster(t)
  const connection = connectRedis({ clusterUrls: cluster.urls })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(HANG_MS)
  const count = createRedisStrikes(connection.commands, '', SETTINGS)
  const many = new Map(Array.from({ length: 50 }, (_, i) => [`192.0.2.${i}`, i]))
  t.same((await count(many)).length, 47)
})
