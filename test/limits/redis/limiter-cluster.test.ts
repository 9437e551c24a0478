import hashSlot from 'cluster-key-slot'
import t from 'tap'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import { connectRedis } from '../../../src/redis/connect.js'
import { offenders } from '../../support/offenders.js'
import { startRedisCluster } from '../../support/redis.js'
import { HANG_MS, until } from '../../support/until.js'
import { SETTINGS } from '../limiter-conformance.js'

const cluster = await startRedisCluster(t)
const connection = connectRedis({ clusterUrls: cluster.urls })
t.teardown(async () => { await connection.close() })
t.ok(await connection.waitUntilUp(HANG_MS))
const records = { prefix: '', node: 'n1', mayRestore: () => true }
const limiter = createRedisLimiter(connection.commands, SETTINGS, { prefix: '', records, callTimeoutMs: HANG_MS })

t.test('limits hold on a cluster, over all its slots', async (t) => {
  for (let n = 0; n < 20; n++) {
    const attempts = Array.from({ length: 11 }, async (_, i) => await limiter.admit({
      address: `192.0.2.${n}`, lease: { owner: `user:${n}-${i % 5}`, connectionId: `c${i}` }
    }))
    t.equal((await Promise.all(attempts)).filter(({ admitted }) => admitted).length, 10)
  }
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, i) => await limiter.admit({
    address: null, lease: { owner: 'alice', connectionId: `c${i}` }
  })))
  t.equal(answers.filter(({ admitted }) => admitted).length, 5)
})

t.test('a lease is undone when the address refuses', async (t) => {
  const address = '198.51.100.1'
  for (let i = 0; i < 10; i++) t.ok((await limiter.admit({ address, lease: null })).admitted)
  t.match(await limiter.admit({ address, lease: { owner: 'bob', connectionId: 'c' } }), { admitted: false, limit: 'address' })
  await limiter.admit({ address: null, lease: { owner: 'other', connectionId: 'c' } })
  t.equal(await connection.commands.exists('ws:ratelimit:user:bob'), 0)
})

t.test('a pass is spent once, in the slot of its address, whichever that is', async (t) => {
  const other = createRedisLimiter(connection.commands, SETTINGS, { prefix: '', callTimeoutMs: HANG_MS })
  for (let n = 0; n < 12; n++) {
    const address = n % 2 === 0 ? `203.0.113.${100 + n}` : `2001:db8:0:${n}::/64`
    for (let i = 0; i < 10; i++) await limiter.admit({ address, lease: null })
    const answers = await Promise.all(Array.from({ length: 20 }, async (_, i) => await (i % 2 === 0 ? limiter : other).admit({
      address, resume: { nonce: 'once', ttlMs: 120_000 }, lease: { owner: `pass:${n}-${i}`, connectionId: 'c' }
    })))
    t.equal(answers.filter(({ admitted }) => admitted).length, 1, address)
  }
  await other.close()
})

t.test('records are kept with their leases, and put back when they are lost', async (t) => {
  const leases = Array.from({ length: 40 }, (_, i) => ({ owner: `kept${i}`, connectionId: `k${i}`, record: `r${i}` }))
  const recordsThere = async (): Promise<number> => Object.keys(await connection.commands.hgetall('ws:node:n1')).length
  t.same(await offenders(leases, async lease => (await limiter.admit({ address: null, lease })).admitted), [])
  await until('all are there', async () => await recordsThere() === 40)
  await limiter.vacate(leases)
  t.same(await offenders(leases, async ({ owner }) => await connection.commands.exists(`ws:ratelimit:user:${owner}`) === 0), [])
  t.equal(await recordsThere(), 40)
  await connection.commands.del('ws:node:n1')
  await limiter.renew(leases)
  t.equal(await recordsThere(), 40)
  for (const lease of leases.slice(1)) limiter.release(lease)
  await until('all but one are gone', async () => await recordsThere() === 1)
})

/** Users whose keys share a slot. */
function findNeighbours (count: number): string[] {
  const slots = new Map<number, string[]>()
  for (let n = 0; ; n++) {
    const slot = hashSlot(`ws:ratelimit:user:near${n}`)
    const users = [...slots.get(slot) ?? [], `near${n}`]
    if (users.length === count) return users
    slots.set(slot, users)
  }
}

async function countScripts (): Promise<number> {
  const counts = await Promise.all(cluster.nodes.map(async ({ client }) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)))
  return counts.reduce((sum, count) => sum + count, 0)
}

t.test('leases whose keys share a slot are renewed by one call', async (t) => {
  const leases = findNeighbours(3).flatMap(owner => ['a', 'b'].map(connectionId => ({ owner, connectionId })))
  await limiter.renew(leases)
  const before = await countScripts()
  await limiter.renew(leases)
  t.equal(await countScripts() - before, 1)
  t.same(await offenders(leases, async ({ owner }) => await connection.commands.zcard(`ws:ratelimit:user:${owner}`) === 2), [])
})

t.test('while their slot moves, and their keys stand on two nodes, each is renewed all the same', async (t) => {
  const leases = findNeighbours(4).map(owner => ({ owner, connectionId: 'c' }))
  await limiter.renew(leases)
  const slot = hashSlot('ws:ratelimit:user:' + (leases[0]?.owner ?? ''))
  const place = cluster.nodes.findIndex((_, n) => slot < Math.ceil(16_384 * (n + 1) / cluster.nodes.length))
  const [from, to] = [place, place + 1].map(n => cluster.nodes[n % cluster.nodes.length])
  if (from === undefined || to === undefined) throw new Error('no node has it')
  let renewals = 0
  await cluster.moveSlot(slot, from, to, async () => {
    // A part of them has moved, then all have.
    if (renewals === 0) await from.client.call('MIGRATE', '127.0.0.1', to.port, `ws:ratelimit:user:${leases[1]?.owner ?? ''}`, 0, HANG_MS)
    await limiter.renew(leases)
    renewals++
  })
  t.equal(renewals, 2, 'none was turned away')
  t.same(await offenders(leases, async ({ owner }) => await connection.commands.zcard(`ws:ratelimit:user:${owner}`) === 1), [])
  await cluster.moveSlot(slot, to, from)
})

t.test('renewals, releases, grants and settlements reach every slot', async (t) => {
  const leases = Array.from({ length: 50 }, (_, i) => ({ owner: `r${i}`, connectionId: 'c' }))
  await limiter.renew(leases)
  t.same(await offenders(leases, async ({ owner }) => await connection.commands.zcard(`ws:ratelimit:user:${owner}`) === 1), [])
  for (const lease of leases) limiter.release(lease)
  const settled = await Promise.all(leases.map(async (_, i) => {
    const address = `203.0.113.${i}`
    const { id, granted } = await limiter.takeGrant({ address, demand: 1, spare: 9 }, [])
    return { address, id, granted, spent: 4, lastSpentMs: 5 }
  }))
  limiter.settle(settled)
  await limiter.close()
  t.same(await offenders(leases, async ({ owner }) => await connection.commands.exists(`ws:ratelimit:user:${owner}`) === 0), [])
  t.same(await offenders(settled, async ({ address }) => await connection.commands.zcard(`ws:ratelimit:msg:${address}`) === 4), [])
})

t.test('no key of any node is without a TTL', async (t) => {
  for (const { client } of cluster.nodes) {
    const keys = await client.keys('*')
    t.ok(keys.length > 0)
    t.same(await offenders(keys, async key => await client.pttl(key) > 0), [])
  }
})
