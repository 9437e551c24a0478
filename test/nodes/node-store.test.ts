import t from 'tap'
import { createNodeStore, type ClaimedPage, type NodeStore } from '../../src/nodes/node-store.js'
import { connectRedis, type RedisConnection } from '../../src/redis/connect.js'
import { offenders } from '../support/offenders.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { HANG_MS } from '../support/until.js'

const LEASE_MS = 60_000
const GRACE_MS = LEASE_MS / 2
const FOR_EVER = Number.MAX_SAFE_INTEGER

/** Opens a store of its own for each node, all on one connection. */
function openStores (connection: RedisConnection): (node: string) => NodeStore {
  return node => createNodeStore({ client: connection.commands, prefix: 'p:', node, leaseMs: LEASE_MS, timeoutMs: HANG_MS })
}

/** Keeps records as the limiter does. */
async function keepRecords ({ commands }: RedisConnection, node: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, n) => `${node}-${n}`)
  for (const id of ids) await commands.hset(`p:ws:node:${node}`, id, `record of ${id}`)
  return ids.sort()
}

async function beatOnce (store: NodeStore): Promise<boolean> {
  const beat = await store.beat()
  await store.enlist(beat)
  return beat.lapsed
}

async function claimAll (store: NodeStore, node: string): Promise<ClaimedPage['records'][number][]> {
  const claimed: ClaimedPage['records'][number][] = []
  let cursor: string | null = '0'
  while (cursor !== null) {
    const page: ClaimedPage | null = await store.claim(node, FOR_EVER, cursor)
    if (page === null) break
    claimed.push(...page.records)
    cursor = page.cursor
  }
  return claimed
}

/** Redis's clock, in ms. */
async function readClock ({ commands }: RedisConnection): Promise<number> {
  // All masters of a test run on one machine, so on one clock.
  return Number(await commands.eval('local time = redis.call("TIME") return time[1] * 1000', 1, 'p:ws:nodes'))
}

/** As if the node's last heartbeat had been so much earlier that it is overdue for `forMs`. */
async function makeOverdue (connection: RedisConnection, node: string, forMs = GRACE_MS + 5000): Promise<void> {
  const aliveUntilMs = await readClock(connection) - forMs
  const seenAt = (await connection.commands.hget(`p:ws:node:${node}`, ''))?.split(':')[1] ?? '1'
  await connection.commands.hset(`p:ws:node:${node}`, '', `${aliveUntilMs}:${seenAt}`)
  await connection.commands.zadd('p:ws:nodes', aliveUntilMs, node)
}

async function testStore (t: Tap, connection: RedisConnection): Promise<void> {
  const open = openStores(connection)
  const { commands } = connection

  await t.test('a node is not lost before its lease and half of another are over, and nothing of it can be claimed', async (t) => {
    const [one, two] = [open('fresh'), open('looking')]
    t.equal(await beatOnce(one), true, 'nobody knew it')
    await keepRecords(connection, 'fresh', 3)
    t.equal(await beatOnce(one), false)
    t.same(await two.findLost(FOR_EVER), [])
    t.equal(await two.claim('fresh', FOR_EVER, '0'), null)
    await makeOverdue(connection, 'fresh', GRACE_MS - 5000)
    t.same(await two.findLost(FOR_EVER), [])
    t.equal(await two.claim('fresh', FOR_EVER, '0'), null)
    await makeOverdue(connection, 'fresh')
    t.same(await two.findLost(FOR_EVER), ['fresh'])
    t.same(await one.findLost(FOR_EVER), [], 'and never by itself')
    await one.leave()
    t.equal(await commands.exists('p:ws:node:fresh'), 0)
    t.same(await two.findLost(FOR_EVER), [])
  })

  await t.test('each of a thousand records is claimed once by five claimants at once, with what the node knew last', async (t) => {
    const dead = open('dead')
    const ids = await keepRecords(connection, 'dead', 1000)
    await beatOnce(dead)
    await makeOverdue(connection, 'dead')
    const claims = (await Promise.all([0, 1, 2, 3, 4].map(async n => await claimAll(open(`c${n}`), 'dead')))).flat()
    t.same(claims.map(({ connectionId }) => connectionId).sort(), ids)
    t.ok(claims.every(({ connectionId, record }) => record === `record of ${connectionId}`))
    t.same(await claimAll(open('c5'), 'dead'), [])
    t.equal(await commands.exists('p:ws:node:dead'), 0)
    t.same((await dead.readClaimed()).sort(), ids)
    t.ok(await commands.pttl('{p:ws:node:dead}:claimed') > 0)
    await open('c0').delist('dead')
    t.same(await open('c0').findLost(FOR_EVER), [])
  })

  await t.test('a page tells when the node was seen last, on its own clock', async (t) => {
    const dead = open('seen')
    const before = Date.now()
    await beatOnce(dead)
    const after = Date.now()
    await keepRecords(connection, 'seen', 1)
    await makeOverdue(connection, 'seen')
    const page = await open('c0').claim('seen', FOR_EVER, '0')
    t.ok(page?.seenAtMs !== null && page !== null && page.seenAtMs >= before && page.seenAtMs <= after)
    await open('c0').delist('seen')
  })

  await t.test('a record without any heartbeat is that of a lost node', async (t) => {
    const ids = await keepRecords(connection, 'mute', 2)
    const page = await open('c0').claim('mute', FOR_EVER, '0')
    t.same(page?.records.map(({ connectionId }) => connectionId).sort(), ids)
    t.equal(page?.seenAtMs, null)
  })

  await t.test('a claim that arrives late takes nothing, nor does a late question find anybody', async (t) => {
    await beatOnce(open('slow'))
    await keepRecords(connection, 'slow', 2)
    await makeOverdue(connection, 'slow')
    const passed = await readClock(connection) - 1000
    t.same(await open('c0').findLost(passed), [])
    t.equal(await open('c0').claim('slow', passed, '0'), null)
    t.equal(await commands.hlen('p:ws:node:slow'), 3)
    await open('slow').leave()
  })

  await t.test('a node that comes back is told, stays on the index, and what was claimed is never given out again', async (t) => {
    const node = open('back')
    await beatOnce(node)
    const ids = await keepRecords(connection, 'back', 1000)
    await makeOverdue(connection, 'back')
    const page = await open('c0').claim('back', FOR_EVER, '0')
    const first = page?.records.map(({ connectionId }) => connectionId) ?? []
    t.ok(first.length > 0 && first.length < 1000, 'it comes back in the midst of it')
    t.equal(await beatOnce(node), true)
    t.equal(await open('c0').claim('back', FOR_EVER, page?.cursor ?? '0'), null)
    await open('c0').delist('back')
    t.ok(await commands.zscore('p:ws:nodes', 'back') !== null)
    t.same((await node.readClaimed()).sort(), first.sort())
    // A renewal that was under way puts them all back.
    await keepRecords(connection, 'back', 1000)
    await makeOverdue(connection, 'back')
    const rest = (await claimAll(open('c0'), 'back')).map(({ connectionId }) => connectionId)
    t.same([...first, ...rest].sort(), ids)
    await node.unclaim(first)
    t.same((await node.readClaimed()).sort(), rest.sort())
  })

  await t.test('its own records are listed without the heartbeat, and removed by name', async (t) => {
    const node = open('own')
    await beatOnce(node)
    const ids = await keepRecords(connection, 'own', 1200)
    t.same([...new Set(await node.listRecords())].sort(), ids)
    await node.removeRecords(ids.slice(1))
    t.same(await node.listRecords(), ids.slice(0, 1))
  })

  await t.test('every key has an end', async (t) => {
    await beatOnce(open('last'))
    t.same(await offenders(['p:ws:nodes', 'p:ws:node:last'], async key => await commands.pttl(key) > 0), [])
  })
}

type Tap = Parameters<typeof startRedis>[0]

t.test('on a single Redis', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url })
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  await testStore(t, connection)
})

t.test('what is wrong with the index tells nothing of a node: it is alive, and hears what is wrong', async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'no-index', 'on', '>pass', '~p:ws:node:*', '~{p:ws:node:*', '+@all')
  const [whole, denied] = [redis.url, redis.url.replace('//', '//no-index:pass@')].map(url => connectRedis({ url }))
  if (whole === undefined || denied === undefined) throw new Error('two')
  t.teardown(async () => { await Promise.all([whole.close(), denied.close()]) })
  for (const connection of [whole, denied]) t.ok(await connection.waitUntilUp(HANG_MS))
  await redis.client.set('p:ws:nodes', 'not ours')
  for (const [connection, wrong] of [[whole, /WRONGTYPE/], [denied, /NOPERM|permission|access/]] as const) {
    const node = openStores(connection)('n')
    const beat = await node.beat()
    t.ok(beat.aliveUntilMs > 0)
    await t.rejects(node.enlist(beat), wrong)
  }
  t.match(await redis.client.hget('p:ws:node:n', ''), /^\d+:\d+$/)
})

t.test('on a single Redis a heartbeat is one call', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url })
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  const node = openStores(connection)('n')
  const countCalls = async (): Promise<number> => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1])
  await beatOnce(node)
  const before = await countCalls()
  await beatOnce(node)
  t.equal(await countCalls() - before, 1)
  t.same(await redis.client.zrange('p:ws:nodes', '0', '-1'), ['n'])
})

t.test('on a cluster of three', async (t) => {
  const cluster = await startRedisCluster(t)
  const connection = connectRedis({ clusterUrls: cluster.urls })
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  await testStore(t, connection)
})
