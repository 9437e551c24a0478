import t from 'tap'
import { createNodeStore } from '../../src/nodes/node-store.js'
import { createOwnRecords } from '../../src/nodes/own-records.js'
import { connectRedis } from '../../src/redis/connect.js'
import { startRedis } from '../support/redis.js'
import { HANG_MS } from '../support/until.js'

const PENDING_MS = 10_000
const KEY = 'ws:node:n'

t.test('records in Redis', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url })
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  const store = createNodeStore({ client: connection.commands, prefix: '', node: 'n', leaseMs: 60_000, timeoutMs: HANG_MS })

  function start () {
    const world = { nowMs: 0, open: new Set<string>(), ended: [] as string[] }
    const records = createOwnRecords({
      store, openIds: () => world.open, takeEnded: () => world.ended.splice(0), pendingMs: PENDING_MS, now: () => world.nowMs
    })
    return { world, records }
  }
  const kept = async (): Promise<string[]> => (await redis.client.hkeys(KEY)).sort()
  t.beforeEach(async () => { await redis.client.flushall() })

  await t.test('after trouble, those without a connection go once no upgrade can still have them; the heartbeat stays', async (t) => {
    const { world, records } = start()
    await store.beat()
    for (const id of ['open', 'over', 'pending']) await redis.client.hset(KEY, id, 'r')
    world.open.add('open')
    await records.tend()
    world.nowMs += PENDING_MS
    await records.tend()
    t.same(await kept(), ['', 'open', 'over', 'pending'], 'nobody looks without a reason')
    records.distrust()
    await records.tend()
    world.open.add('pending')
    world.nowMs += PENDING_MS - 1
    await records.tend()
    t.same(await kept(), ['', 'open', 'over', 'pending'])
    world.nowMs += 1
    await records.tend()
    t.same(await kept(), ['', 'open', 'pending'])
  })

  await t.test('those that ended around the trouble go with the next heartbeat, and without trouble nobody asks Redis', async (t) => {
    const { records } = start()
    for (const id of ['before', 'during', 'open']) await redis.client.hset(KEY, id, 'r')
    records.ended('before')
    await records.tend()
    t.same(await kept(), ['before', 'during', 'open'], 'its own removal went well, as far as anybody knows')
    records.ended('during')
    records.distrust()
    await records.tend()
    t.same(await kept(), ['before', 'open'])
  })

  await t.test('without any trouble they are looked at all the same, now and then', async (t) => {
    const { world, records } = start()
    await redis.client.hset(KEY, 'over', 'r')
    for (let beats = 0; beats < 20; beats++) await records.tend()
    world.nowMs += PENDING_MS
    await records.tend()
    t.same(await kept(), [])
  })

  await t.test('a call that fails in the midst of it is made again', async (t) => {
    const world = { nowMs: 0, away: true }
    const records = createOwnRecords({
      store: { ...store, removeRecords: async (ids) => { if (world.away) throw new Error('away'); await store.removeRecords(ids) } },
      openIds: () => [],
      takeEnded: () => [],
      pendingMs: PENDING_MS,
      now: () => world.nowMs
    })
    await redis.client.hset(KEY, 'over', 'r')
    records.distrust()
    await records.tend()
    world.nowMs += PENDING_MS
    await records.tend()
    t.same(await kept(), ['over'])
    world.away = false
    await records.tend()
    t.same(await kept(), [])
  })

  await t.test('claimed connections that have ended are forgotten', async (t) => {
    const { world, records } = start()
    await redis.client.sadd(`{${KEY}}:claimed`, 'a', 'b')
    world.ended.push('a')
    await records.tend()
    t.same(await store.readClaimed(), ['b'])
  })
})
