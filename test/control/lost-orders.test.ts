import t, { type Test } from 'tap'
import { createRedisControl, type RedisControlOptions } from '../../src/control/redis-control.js'
import { connectRedis } from '../../src/redis/connect.js'
import { openClient, openClusterClient } from '../bus/clients.js'
import { startRedis, startRedisCluster, type TestRedis } from '../support/redis.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { HANG_MS, until } from '../support/until.js'
import { createRecorder, type Process } from './control-conformance.js'
import { identity } from './identities.js'

const ALL = { issuer: null, issuedBeforeMs: null } as const
const KEYS = ['ws:bans', '{ws:bans}:orders', 'ws:revocations', '{ws:revocations}:orders']

type Client = RedisControlOptions['client']

async function open (t: Test, client: Client, more: Partial<RedisControlOptions> = {}): Promise<Process> {
  const { handlers, told } = createRecorder()
  const control = createRedisControl({ client, prefix: '', maxTokenLifetimeMs: 3_600_000, issuers: ['main'], timeoutMs: HANG_MS, ...more })
  t.teardown(async () => { await control.close() })
  control.start(handlers)
  await until('it is loaded', () => control.loaded)
  return { control, told }
}

const isKicked = ({ control }: Process, id: string): boolean => control.isRevoked(identity({ tokenId: id, sessionId: null, subject: 'nobody' }))

/** What a process knows of what these tests order. */
const say = (process: Process): object => ({
  bans: ['192.0.2.1', '192.0.2.2'].filter(address => process.control.bannedForMs(address) > 100_000),
  revoked: ['early', 'late'].filter(id => isKicked(process, id))
})
const EARLY = { bans: ['192.0.2.1'], revoked: ['early'] }
const LATE = { bans: ['192.0.2.2'], revoked: ['late'] }

async function orderEarly ({ control }: Process): Promise<void> {
  await control.ban('192.0.2.1', 600_000)
  await control.revoke({ kind: 'jti', id: 'early', ...ALL })
}

/** Takes back what was ordered early, and orders something else. */
async function orderLate ({ control }: Process): Promise<void> {
  await control.unban('192.0.2.1')
  await control.unrevoke({ kind: 'jti', id: 'early', issuer: null })
  await control.ban('192.0.2.2', 600_000)
  await control.revoke({ kind: 'jti', id: 'late', ...ALL })
}

/** Everybody agrees, one that begins now and knows nothing included. */
async function expectLate (t: Test, client: Client, processes: readonly Process[]): Promise<void> {
  const news = await open(t, client, { reloadEveryMs: 100 })
  await until('a new process knows all', () => JSON.stringify(say(news)) === JSON.stringify(LATE))
  t.same(processes.map(say), processes.map(() => LATE))
  const page = await news.control.listBans({ limit: 10, after: null })
  t.same(page?.entries.map(({ address }) => address), ['192.0.2.2'])
}

t.test('a Redis that comes back with an older snapshot un-knows nothing, in neither direction, and is told what it lacks', async (t) => {
  const redis = await startRedis(t)
  const client = await openClient(t, redis)
  const written: number[] = []
  const one = await open(t, client, { onWrittenBack: (orders) => { written.push(orders) } })
  const other = await open(t, await openClient(t, redis))
  await orderEarly(one)
  await until('the other knows', () => JSON.stringify(say(other)) === JSON.stringify(EARLY))
  await redis.client.save()
  await orderLate(one)
  await until('the other knows', () => JSON.stringify(say(other)) === JSON.stringify(LATE))
  await redis.restart()
  t.equal(await redis.client.exists('ws:ban:192.0.2.1'), 1, 'it is the older one')
  await expectLate(t, client, [one, other])
  await until('it is told', () => written.length > 0)
})

t.test('what one process held while Redis was away is written and told once it is back, though nobody says it again', async (t) => {
  for (const away of ['stop', 'pause'] as const) {
    await t.test(away, async (t) => {
      const redis = await startRedis(t)
      const one = await open(t, await openClient(t, redis), { timeoutMs: 200 })
      const other = await open(t, await openClient(t, redis))
      await redis[away]()
      one.control.hold({ kind: 'jti', id: 'late', ...ALL })
      t.same([one, other].map(each => isKicked(each, 'late')), [true, false], 'done at once where it was said')
      if (away === 'stop') await redis.restart()
      else redis.resume()
      await until('the other knows', () => isKicked(other, 'late'))
      t.ok((await redis.client.zrange('ws:revocations', '0', '-1')).some(member => member.includes('"late"')), 'and Redis keeps it')
    })
  }
})

t.test('a replica that takes over without the last writes is told of them', async (t) => {
  const [master, replica] = await Promise.all([startRedis(t), startRedis(t)])
  const proxy = await startTcpProxy(t, master.port)
  const connection = connectRedis({ url: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: HANG_MS })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(HANG_MS)
  const one = await open(t, connection.commands)
  await orderEarly(one)
  await replica.client.replicaof('127.0.0.1', master.port)
  await until('it has followed', async () => await replica.client.exists('ws:ban:192.0.2.1') === 1)
  await replica.client.replicaof('NO', 'ONE')
  await orderLate(one)
  proxy.retarget(replica.port)
  proxy.cut()
  await expectLate(t, connection.commands, [one])
  t.ok(await replica.client.zscore('ws:bans', '192.0.2.2') !== null)
})

t.test('whichever key is lost, or all of them, what counts is known again by the next reading', async (t) => {
  const redis = await startRedis(t)
  const client = await openClient(t, redis)
  const one = await open(t, client, { reloadEveryMs: 50 })
  await orderEarly(one)
  await orderLate(one)
  const before = await redis.client.hgetall('{ws:bans}:orders')
  for (const lost of [...KEYS.map(key => [key]), KEYS.slice(0, 2), KEYS.slice(2), ['ws:bans', 'ws:revocations'], KEYS]) {
    await redis.client.del(...lost)
    await until(`${lost.join(' ')}: it is there again`, async () => await redis.client.exists(...KEYS) === KEYS.length &&
      await redis.client.hlen('{ws:bans}:orders') === 3 && await redis.client.zscore('ws:bans', '192.0.2.2') !== null)
  }
  await redis.client.flushall()
  await expectLate(t, client, [one])
  const times = (records: Record<string, string>): object => Object.fromEntries(Object.entries(records).filter(([name]) => name !== '').map(([name, value]) => [name, value.split(' ')[0]]))
  t.same(times(await redis.client.hgetall('{ws:bans}:orders')), times(before), 'nothing was given anew by being written back')
})

t.test('on a cluster, where one node after the other loses all that it has', async (t) => {
  const cluster = await startRedisCluster(t)
  const client = await openClusterClient(t, cluster)
  const one = await open(t, client, { reloadEveryMs: 100 })
  await orderEarly(one)
  await orderLate(one)
  for (const node of cluster.nodes) {
    await node.client.flushall()
    await until('all is there', async () => await client.zscore('ws:bans', '192.0.2.2') !== null && await client.hlen('{ws:revocations}:orders') >= 3)
  }
  await expectLate(t, client, [one])
})

t.test('an order given while the clock of a new master is behind is later all the same', async (t) => {
  const redis = await startRedis(t)
  const client = await openClient(t, redis)
  const one = await open(t, client, { reloadEveryMs: 100 })
  const [ahead, endsAtMs] = [(Date.now() + 3_600_000) * 1000, Date.now() + 600_000]
  await redis.client.zadd('ws:bans', endsAtMs, '192.0.2.1')
  await redis.client.hset('{ws:bans}:orders', '192.0.2.1', `${ahead} ${endsAtMs} + 0 0 192.0.2.1`)
  await until('the order of the old master is known', () => one.control.bannedForMs('192.0.2.1') > 0)
  await one.control.unban('192.0.2.1')
  t.equal(one.control.bannedForMs('192.0.2.1'), 0)
  t.equal(Number((await redis.client.hget('{ws:bans}:orders', '192.0.2.1'))?.split(' ')[0]), ahead + 1)
  await redis.client.flushall()
  await one.control.ban('192.0.2.1', 600_000)
  t.ok(one.control.bannedForMs('192.0.2.1') > 0, 'a Redis without a memory as well')
  t.ok(Number((await redis.client.hget('{ws:bans}:orders', '192.0.2.1'))?.split(' ')[0]) > ahead + 1)
})

t.test('a taking back lasts as long as what it takes back, also of an order that only another process knew', async (t) => {
  const redis = await startRedis(t)
  const client = await openClient(t, redis)
  const one = await open(t, client, { reloadEveryMs: 1000 })
  await one.control.ban('192.0.2.1', 200_000_000)
  await redis.client.flushall()
  const other = await open(t, await openClient(t, redis))
  await other.control.unban('192.0.2.1')
  const leftMs = async (): Promise<number> => Number((await redis.client.hget('{ws:bans}:orders', '192.0.2.1'))?.split(' ')[1]) - Date.now()
  await until('it lasts as long', async () => await leftMs() > 190_000_000)
  await until('it is lifted', () => one.control.bannedForMs('192.0.2.1') === 0)
  t.ok(await redis.client.pttl('{ws:bans}:orders') > 190_000_000)
})

/** What a process of the build before does to Redis; the scripts of today keep bans and revocations no more as it does. */
function createFormerProcess ({ client }: TestRedis) {
  const say = async (message: object): Promise<void> => { await client.publish('ws:control', JSON.stringify({ v: 1, from: 'former', ...message })) }
  return {
    async ban (address: string, durationMs: number): Promise<void> {
      await client.zadd('ws:bans', Date.now() + durationMs, address)
      await client.set(`ws:ban:${address}`, '1', 'PX', durationMs)
      await say({ type: 'ban', address, duration_ms: durationMs })
    },
    async unban (address: string): Promise<void> {
      await client.zrem('ws:bans', address)
      await client.del(`ws:ban:${address}`)
      await say({ type: 'unban', address })
    },
    async revoke (revocation: object, durationMs: number): Promise<void> {
      await client.zadd('ws:revocations', Date.now() + durationMs, JSON.stringify(revocation))
      await say({ type: 'revoke', revocation, duration_ms: durationMs })
    },
    async unrevoke (revocation: { kind: string, id: string, issuer: string | null }): Promise<void> {
      await client.zrem('ws:revocations', JSON.stringify({ ...revocation, issuedBeforeMs: null }))
      await say({ type: 'unrevoke', target: revocation })
    },
    bans: async (): Promise<string[]> => (await client.zrangebyscore('ws:bans', Date.now(), '+inf')).filter(address => !address.startsWith('kept since'))
  }
}

t.test('beside processes of the build before: what either orders or takes back counts for both', async (t) => {
  const redis = await startRedis(t)
  const former = createFormerProcess(redis)
  const process = await open(t, await openClient(t, redis))
  const isBanned = (): boolean => process.control.bannedForMs('192.0.2.1') > 0
  for (const giver of [former, process.control]) {
    for (const taker of [former, process.control]) {
      await giver.ban('192.0.2.1', 600_000)
      await until('it is banned', isBanned)
      t.same(await former.bans(), ['192.0.2.1'])
      await taker.unban('192.0.2.1')
      await until('it is not', () => !isBanned())
      t.same(await former.bans(), [])
      const target = { kind: 'jti', id: 'late', issuer: null } as const
      const revocation = { kind: target.kind, id: target.id, issuer: null, issuedBeforeMs: null }
      await giver.revoke(revocation, 600_000)
      await until('it is revoked', () => isKicked(process, 'late'))
      t.ok(await redis.client.zscore('ws:revocations', JSON.stringify(revocation)) !== null)
      await taker.unrevoke(target)
      await until('it is not', () => !isKicked(process, 'late'))
      t.equal(await redis.client.zscore('ws:revocations', JSON.stringify(revocation)), null)
    }
  }
  await former.ban('192.0.2.1', 600_000)
  await until('it is banned', isBanned)
  await former.ban('192.0.2.1', 60_000)
  await until('and for a shorter time', () => process.control.bannedForMs('192.0.2.1') <= 60_000 && isBanned())
})

t.test('what such a process orders and takes back without a message that arrives is found by reading', async (t) => {
  const redis = await startRedis(t)
  const process = await open(t, await openClient(t, redis), { reloadEveryMs: 50 })
  await redis.client.zadd('ws:bans', Date.now() + 600_000, '192.0.2.1')
  await until('it is banned', () => process.control.bannedForMs('192.0.2.1') > 0)
  await redis.client.zrem('ws:bans', '192.0.2.1')
  await until('it is not', () => process.control.bannedForMs('192.0.2.1') === 0)
  const two = [4000, 5000].map(issuedBeforeMs => JSON.stringify({ kind: 'sub', id: 'alice', issuer: null, issuedBeforeMs }))
  await redis.client.zadd('ws:revocations', ...two.flatMap(member => [Date.now() + 600_000, member]))
  const isRevoked = (issuedAtMs: number): boolean => process.control.isRevoked(identity({ issuedAtMs, tokenId: null, sessionId: null }))
  await until('of two the one that says more counts', () => isRevoked(4500))
  await process.control.unrevoke({ kind: 'sub', id: 'alice', issuer: null })
  t.equal(isRevoked(3000), false)
  t.same(await Promise.all(two.map(async member => await redis.client.zscore('ws:revocations', member))), [null, null])
})

t.test('what such a process gave a moment ago, or without a message that arrives, is taken back for good', async (t) => {
  const redis = await startRedis(t)
  const former = createFormerProcess(redis)
  const process = await open(t, await openClient(t, redis))
  const revocations = [null, 'main', 'not configured here'].flatMap(issuer => [null, 4000].map(issuedBeforeMs => ({ kind: 'jti', id: 'early', issuer, issuedBeforeMs })))
  const others = [['jti', 'late'], ['sid', 'early'], ['jti', 'not "early"']].map(([kind, id]) => JSON.stringify({ kind, id, issuer: null, issuedBeforeMs: null }))
  const keep = async (members: readonly string[]): Promise<unknown> => await redis.client.zadd('ws:revocations', ...members.flatMap(member => [Date.now() + 600_000, member]))
  const standing = async (): Promise<string[]> => (await redis.client.zrange('ws:revocations', 0, '-1')).filter(member => !member.includes('kept since'))
  const isEarlyRevoked = (): boolean[] => ['main', 'not configured here'].map(issuer => process.control.isRevoked(identity({ tokenId: 'early', sessionId: null, issuer, issuedAtMs: 3000 })))
  await keep(others)
  for (const isNamed of [true, false]) {
    if (isNamed) for (const revocation of revocations) await former.revoke(revocation, 600_000)
    else await keep(revocations.map(revocation => JSON.stringify(revocation)))
    await former.ban('192.0.2.1', 600_000)
    // What is named before is read with it, or earlier.
    await Promise.all([process.control.unrevoke({ kind: 'jti', id: 'early', issuer: null }), process.control.unban('192.0.2.1')])
    await former.ban('192.0.2.2', 600_000)
    await until('what was named is read', () => process.control.bannedForMs('192.0.2.2') > 0)
    t.same([await standing(), isEarlyRevoked()], [others.toSorted(), [false, false]])
    const reader = await open(t, await openClient(t, redis))
    t.same(['early', 'late'].filter(id => isKicked(reader, id)), ['late'], 'whoever reads everything agrees')
    t.equal(reader.control.bannedForMs('192.0.2.1') + process.control.bannedForMs('192.0.2.1'), 0)
    await process.control.unban('192.0.2.2')
  }
})

t.test('a taking back of one issuer leaves those of the others', async (t) => {
  const redis = await startRedis(t)
  const process = await open(t, await openClient(t, redis))
  const member = (issuer: string | null): string => JSON.stringify({ kind: 'jti', id: 'early', issuer, issuedBeforeMs: null })
  await redis.client.zadd('ws:revocations', ...[null, 'main', 'other'].flatMap(issuer => [Date.now() + 600_000, member(issuer)]))
  await process.control.unrevoke({ kind: 'jti', id: 'early', issuer: 'main' })
  t.same(await Promise.all([null, 'main', 'other'].map(async issuer => await redis.client.zscore('ws:revocations', member(issuer)) !== null)), [true, false, true])
})

t.test('what tells one incarnation of the set from another is no revocation that could be taken back', async (t) => {
  const redis = await startRedis(t)
  const process = await open(t, await openClient(t, redis))
  await process.control.revoke({ kind: 'jti', id: 'early', ...ALL })
  const members = await redis.client.zrange('ws:revocations', 0, '-1')
  const [id = ''] = members.flatMap(member => (JSON.parse(member) as { id: string }).id).filter(id => id.startsWith('kept since'))
  await process.control.unrevoke({ kind: 'jti', id, issuer: null })
  t.same(await redis.client.zrange('ws:revocations', 0, '-1'), members)
})

t.test('a revocation whose id reads like that is a revocation: listed, in force everywhere, and taken back alone', async (t) => {
  const redis = await startRedis(t)
  const client = await openClient(t, redis)
  const process = await open(t, client)
  await process.control.revoke({ kind: 'jti', id: 'early', ...ALL })
  const members = async (): Promise<string[]> => (await redis.client.zrange('ws:revocations', 0, '-1')).toSorted()
  const atFirst = await members()
  const [own = ''] = atFirst.flatMap(member => (JSON.parse(member) as { id: string }).id).filter(id => id.startsWith('kept since'))
  const listed = async ({ control }: Process): Promise<string[]> =>
    ((await control.listRevocations({ limit: 10, after: null }))?.entries ?? []).map(({ revocation: { id } }) => id).toSorted()
  for (const id of [own, 'kept since 5', 'kept since @']) {
    await process.control.revoke({ kind: 'jti', id, ...ALL })
    const reader = await open(t, client)
    t.same([await listed(process), await listed(reader)], [['early', id], ['early', id]])
    t.same([process, reader].map(each => isKicked(each, id)), [true, true], id)
    await process.control.unrevoke({ kind: 'jti', id, issuer: null })
    t.same([await listed(process), isKicked(process, id), isKicked(await open(t, client), id)], [['early'], false, false])
    t.same(await members(), atFirst)
  }
})

t.test('a process that has read nothing yet takes back for good', async (t) => {
  const redis = await startRedis(t)
  const control = createRedisControl({ client: await openClient(t, redis), prefix: '', maxTokenLifetimeMs: 3_600_000, issuers: ['main'], timeoutMs: HANG_MS })
  t.teardown(async () => { await control.close() })
  await redis.client.zadd('ws:revocations', Date.now() + 600_000, JSON.stringify({ kind: 'jti', id: 'early', ...ALL }))
  await control.unrevoke({ kind: 'jti', id: 'early', issuer: null })
  control.start(createRecorder().handlers)
  await until('it is loaded', () => control.loaded)
  t.notOk(isKicked({ control, told: [] }, 'early'))
})
