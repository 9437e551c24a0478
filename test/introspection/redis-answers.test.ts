import t, { type Test } from 'tap'
import { Redis } from '#ioredis'
import { createRedisAnswers } from '../../src/introspection/redis-answers.js'
import { introspectionKey } from '../../src/redis/keys.js'
import type { SharedAnswers } from '../../src/tokens/shared-answers.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const TOKEN = 'header.payload.signature'

interface Started { readonly redis: TestRedis, readonly answers: SharedAnswers }

async function start (t: Test, more: { readonly countsMs?: number, readonly claimMs?: number } = {}): Promise<Started> {
  const redis = await startRedis(t)
  const client = new Redis(redis.url)
  t.teardown(() => { client.disconnect() })
  const answers = createRedisAnswers({ client, isUp: () => client.status === 'ready', prefix: 'x:', countsMs: 30_000, claimMs: 10_000, ...more })
  await until('the connection', () => client.status === 'ready')
  return { redis, answers }
}

t.test('of those who look for an answer one is to ask, and the others wait for it', async (t) => {
  const { answers } = await start(t)
  t.same(await answers.take(TOKEN, 30_000), { kind: 'ours' })
  const second = await answers.take(TOKEN, 30_000)
  t.ok(second.kind === 'claimed' && second.forMs > 5000 && second.forMs <= 10_000)
  await answers.keep(TOKEN, 'active', 40)
  const third = await answers.take(TOKEN, 30_000)
  t.ok(third.kind === 'active' && third.ageMs >= 40 && third.ageMs < 10_000)
})

t.test('an answer that is older than asked for counts for nothing, unless it says that the token is inactive', async (t) => {
  const { answers } = await start(t)
  await answers.keep(TOKEN, 'active', 12_000)
  t.equal((await answers.take(TOKEN, 15_000)).kind, 'active')
  t.equal((await answers.take(TOKEN, 11_000)).kind, 'ours')
  await answers.keep(TOKEN, 'inactive', 11_000)
  t.equal((await answers.take(TOKEN, 0)).kind, 'inactive')
})

t.test('the answer to the later question stands, in whichever order they come', async (t) => {
  const { answers } = await start(t)
  await answers.keep(TOKEN, 'inactive', 10)
  await answers.keep(TOKEN, 'active', 9000)
  t.equal((await answers.take(TOKEN, 30_000)).kind, 'inactive')
})

t.test('who got no answer leaves the question to the next; one who vanished holds it for no longer than the claim', async (t) => {
  const { answers } = await start(t, { claimMs: 50 })
  await answers.take(TOKEN, 30_000)
  await answers.keep(TOKEN, null, 10)
  t.same(await answers.take(TOKEN, 30_000), { kind: 'ours' })
  await until('the claim lapses', async () => (await answers.take(TOKEN, 30_000)).kind === 'ours')
})

t.test('Redis holds the hash of a token alone, and forgets it with its answer', async (t) => {
  const { redis, answers } = await start(t, { countsMs: 20_000 })
  await answers.take(TOKEN, 30_000)
  await answers.keep(TOKEN, 'active', 0)
  const keys = await redis.client.keys('*')
  t.match(keys, [/^x:ws:introspect:[0-9a-f]{64}$/])
  t.same(keys[0]?.startsWith(introspectionKey('x:', '')), true)
  const leftMs = await redis.client.pttl(keys[0] ?? '')
  t.ok(leftMs > 0 && leftMs <= 20_000)
  t.notMatch(JSON.stringify(await redis.client.hgetall(keys[0] ?? '')), 'payload')
})

t.test('while Redis is away each call rejects at once', async (t) => {
  const { redis, answers } = await start(t)
  await redis.stop()
  await t.rejects(answers.take(TOKEN, 30_000))
  await t.rejects(answers.keep(TOKEN, 'active', 0))
})
