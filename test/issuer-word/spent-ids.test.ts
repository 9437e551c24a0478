import t from 'tap'
import { Redis } from '#ioredis'
import { createSpentIds } from '../../src/issuer-word/spent-ids.js'
import { startRedis } from '../support/redis.js'

const KEPT_MS = 3_600_000

t.test('by Redis all processes know what was spent, for as long as it may come again, and no longer', async (t) => {
  const redis = await startRedis(t)
  const client = new Redis(redis.url)
  t.teardown(() => { client.disconnect() })
  const [one, other] = [0, 1].map(() => createSpentIds({ client, prefix: 'x:', keptMs: KEPT_MS })) as [ReturnType<typeof createSpentIds>, ReturnType<typeof createSpentIds>]
  t.equal(await other.has('main', 'j1'), false)
  await one.add('main', 'j1')
  t.same([await one.has('main', 'j1'), await other.has('main', 'j1')], [true, true])
  t.same([await other.has('second', 'j1'), await other.has('main', 'j2')], [false, false], 'an issuer spends no id of another')
  const keys = await redis.client.keys('*')
  t.equal(keys.length, 1)
  t.notMatch(keys.join(), /j1/, 'nothing that an issuer writes shapes a key')
  const ttlMs = await redis.client.pttl(keys[0] ?? '')
  t.ok(ttlMs > KEPT_MS - 60_000 && ttlMs <= KEPT_MS, `kept for ${ttlMs} ms`)

  await t.test('while Redis hangs each knows what it did itself, and is not held up', async (t) => {
    redis.pause()
    t.teardown(() => { redis.resume() })
    const impatient = createSpentIds({ client, prefix: 'x:', keptMs: KEPT_MS, timeoutMs: 5 })
    t.equal(await impatient.has('main', 'j1'), false)
    await impatient.add('main', 'j3')
    t.equal(await impatient.has('main', 'j3'), true)
    t.equal(await one.has('main', 'j1'), true)
  })
})

t.test('without Redis one process remembers for as long, and forgets', async (t) => {
  let nowMs = 0
  const spent = createSpentIds({ client: null, prefix: '', keptMs: 1000, now: () => nowMs })
  await spent.add('main', 'j1')
  nowMs = 999
  t.equal(await spent.has('main', 'j1'), true)
  nowMs = 1001
  t.equal(await spent.has('main', 'j1'), false)
})
