import t, { type Test } from 'tap'
import { MAX_ORDERS } from '../../src/control/control.js'
import { createRedisControl, type RedisControlOptions } from '../../src/control/redis-control.js'
import { openClient, openClusterClient } from '../bus/clients.js'
import { HANG_MS, until } from '../support/until.js'
import { startRedis, startRedisCluster, type TestRedis } from '../support/redis.js'
import { createRecorder, testControl, type Process } from './control-conformance.js'
import { identity } from './identities.js'

const LIFETIME_MS = 3_600_000
const TOKEN = { kind: 'jti', id: 'token-1', issuer: null, issuedBeforeMs: null } as const

async function openControl (t: Test, redis: TestRedis, more: Partial<RedisControlOptions> = {}): Promise<Process> {
  const { handlers, told } = createRecorder()
  const client = await openClient(t, redis)
  const control = createRedisControl({ client, prefix: '', maxTokenLifetimeMs: LIFETIME_MS, issuers: ['main'], ...more })
  t.teardown(async () => { await control.close() })
  control.start(handlers)
  return { control, told }
}

const kept = (id: string, userId: string): string => JSON.stringify({ v: 1, from: 'x', order_id: id, type: 'disconnect', user_id: userId })
const KEPT_MS = 120_000

/** How many scripts this Redis has run: three or more for each reading of all that is kept. */
async function countScripts (redis: TestRedis): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1])
}

t.test('on a single Redis it does what every control does', async (t) => {
  testControl(t, async (t) => {
    const redis = await startRedis(t)
    return async (settings) => createRedisControl({ ...settings, client: await openClient(t, redis), prefix: 'p:' })
  }, 2)
})

t.test('on a cluster it does what every control does, and hears either kind of publishing', async (t) => {
  const cluster = await startRedisCluster(t)
  let round = 0
  testControl(t, async (t) => {
    const prefix = `p${round++}:`
    return async (settings) => createRedisControl({ ...settings, client: await openClusterClient(t, cluster), prefix, timeoutMs: HANG_MS })
  }, 2)
  t.test('back ends may publish as they like', async (t) => {
    const { handlers, told } = createRecorder()
    const client = await openClusterClient(t, cluster)
    const control = createRedisControl({ client, prefix: '', maxTokenLifetimeMs: LIFETIME_MS, issuers: ['main'] })
    t.teardown(async () => { await control.close() })
    control.start(handlers)
    await until('it hears', async () => {
      await client.spublish('ws:control', '{"type":"recheck","user_id":"sharded"}')
      return told.includes('recheck sharded')
    })
    await client.publish('ws:control', '{"type":"recheck","user_id":"classic"}')
    await until('the classic one too', () => told.includes('recheck classic'))
  })
})

t.test('what back ends publish is done, and what is no message is dropped and counted', async (t) => {
  const redis = await startRedis(t)
  const drops: object[] = []
  const { told } = await openControl(t, redis, { prefix: 'p:', onInvalid: (report) => { drops.push(report) } })
  const publish = async (text: string): Promise<void> => { await redis.client.publish('p:ws:control', text) }
  await until('it listens', async () => (await redis.client.pubsub('CHANNELS')).length === 1)
  const invalid = ['', '[]', '{}', '{"type":"reboot"}', '{"type":"disconnect"}', '{"type":"disconnect","user_id":""}', '{"type":"recheck","user_id":7}',
    '{"v":2,"type":"recheck"}', '{"type":"ban","address":"a","duration_ms":-1}', '{"type":"ban","address":"a","duration_ms":1e999}',
    '{"type":"ban","address":"a"}', '{"type":"revoke","revocation":{"kind":"iss","id":"a","issuer":null,"issuedBeforeMs":null},"duration_ms":1}',
    `{"type":"recheck","user_id":"${'x'.repeat(20_000)}"}`]
  for (const text of invalid) await publish(text)
  await publish('{"type":"recheck","user_id":"kc:alice"}')
  await publish('{"type":"recheck"}')
  await publish('{"type":"disconnect","user_id":"bob","extra":1}')
  await until('all were done', () => told.length === 3)
  t.same(told, ['recheck kc:alice', 'recheck null', 'disconnect bob'])
  t.same(drops, [{ reason: 'control_message', dropped: 1 }])
})

t.test('a process that starts later knows what was ordered before', async (t) => {
  const redis = await startRedis(t)
  const first = await openControl(t, redis)
  await first.control.revoke(TOKEN)
  await first.control.ban('192.0.2.1', 60_000)
  await first.control.close()
  const second = await openControl(t, redis)
  t.equal(second.control.loaded, false)
  await until('it is loaded', () => second.control.loaded)
  t.equal(second.control.isRevoked(identity()), true)
  t.ok(second.control.bannedForMs('192.0.2.1') > 50_000)
})

t.test('what is kept has a lifetime in Redis, and each ban a key of its own', async (t) => {
  const redis = await startRedis(t)
  const { control } = await openControl(t, redis, { prefix: 'p:' })
  await control.revoke(TOKEN)
  await control.ban('2001:db8:1:2::/64', 60_000)
  await control.ban('192.0.2.1', 1000)
  for (const [key, limitMs] of [['p:ws:ban:2001:db8:1:2::/64', 60_000], ['p:ws:bans', 60_000], ['p:ws:revocations', LIFETIME_MS + 600_000]] as const) {
    const ttlMs = await redis.client.pttl(key)
    t.ok(ttlMs > limitMs - 10_000 && ttlMs <= limitMs, `${key} ${ttlMs}`)
  }
  await control.unban('2001:db8:1:2::/64')
  t.equal(await redis.client.exists('p:ws:ban:2001:db8:1:2::/64'), 0)
  await until('it is loaded', () => control.loaded)
  await control.unrevoke({ kind: 'jti', id: 'token-1', issuer: null })
  t.equal(await redis.client.zscore('p:ws:revocations', JSON.stringify(TOKEN)), null)
  for (const key of ['{p:ws:bans}:orders', '{p:ws:revocations}:orders']) t.ok(await redis.client.pttl(key) > 0, key)
})

/** As a process of the build before keeps it. */
const SESSION = JSON.stringify({ kind: 'sid', id: 'session-1', issuer: 'main', issuedBeforeMs: null })

t.test('an order whose message was lost is found by the next reading, and acted on once', async (t) => {
  const redis = await startRedis(t)
  const { control, told } = await openControl(t, redis, { reloadEveryMs: 50 })
  await until('it is loaded', () => control.loaded)
  const endsAtMs = Date.now() + 60_000
  await redis.client.zadd('ws:revocations', endsAtMs, SESSION)
  await redis.client.zadd('ws:bans', endsAtMs, '192.0.2.9')
  await until('both are found', () => control.isRevoked(identity()) && control.bannedForMs('192.0.2.9') > 0)
  const read = await countScripts(redis)
  await until('it has read again', async () => await countScripts(redis) >= read + 6)
  t.same(told.toSorted(), ['ban 192.0.2.9', 'revoked alice true'])
  await redis.client.zrem('ws:revocations', SESSION)
  await until('one that was taken back as well', () => !control.isRevoked(identity()))
})

t.test('an order given while the channel of another process is lost is done there when it is back, once', async (t) => {
  const redis = await startRedis(t)
  const cutOff = await openControl(t, redis)
  const { control } = await openControl(t, redis)
  const listening = async (): Promise<boolean> => Number((await redis.client.pubsub('NUMSUB', 'ws:control'))[1]) === 2
  await until('both are loaded and listen', async () => cutOff.control.loaded && control.loaded && await listening())
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await control.disconnect('alice')
  await until('they listen again', listening)
  await until('it is done', () => cutOff.told.includes('disconnect alice'))
  await until('rights are checked as well, for what back ends may have said', () => cutOff.told.includes('recheck null'))
  const before = await countScripts(redis)
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await until('both have read again', async () => await countScripts(redis) >= before + 6)
  await until('and have checked rights again', () => cutOff.told.filter((line) => line === 'recheck null').length === 2)
  t.equal(cutOff.told.filter((line) => line === 'disconnect alice').length, 1)
})

t.test('on a cluster such an order is found as well', async (t) => {
  const cluster = await startRedisCluster(t)
  const opened: Process[] = []
  for (let n = 0; n < 2; n++) {
    const { handlers, told } = createRecorder()
    const control = createRedisControl({ client: await openClusterClient(t, cluster), prefix: '', maxTokenLifetimeMs: LIFETIME_MS, issuers: ['main'], timeoutMs: HANG_MS })
    t.teardown(async () => { await control.close() })
    control.start(handlers)
    opened.push({ control, told })
  }
  const [cutOff, other] = opened
  if (cutOff === undefined || other === undefined) throw new Error('no process')
  const countListening = async (): Promise<number> => {
    const counts = await Promise.all(cluster.nodes.map(async ({ client }) => Number((await client.pubsub('SHARDNUMSUB', 'ws:control') as unknown[])[1])))
    return counts.reduce((sum, count) => sum + count)
  }
  await until('both listen', async () => cutOff.control.loaded && other.control.loaded && await countListening() === 2)
  await Promise.all(cluster.nodes.map(async ({ client }) => await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')))
  await other.control.disconnect('alice')
  await until('it is done', () => cutOff.told.includes('disconnect alice') && cutOff.told.includes('recheck null'))
  t.equal(cutOff.told.filter((line) => line === 'disconnect alice').length, 1)
})

t.test('a kept order is done by the next reading, once; one from before the start, or that cannot be read, is not', async (t) => {
  const redis = await startRedis(t)
  const keep = async (ageMs: number, text: string): Promise<void> => { await redis.client.zadd('ws:control:orders', Date.now() + KEPT_MS - ageMs, text) }
  const drops: object[] = []
  await keep(60_000, kept('1', 'earlier'))
  const { control, told } = await openControl(t, redis, { reloadEveryMs: 50, onInvalid: (report) => { drops.push(report) } })
  await until('it is loaded', () => control.loaded)
  await keep(0, kept('2', 'alice'))
  await keep(0, '{"v":1,"type":"recheck"}')
  await until('it is done', () => told.length > 0)
  await keep(0, kept('3', 'bob'))
  await until('the next one too', () => told.length > 1)
  const before = await countScripts(redis)
  await until('it has read again, twice', async () => await countScripts(redis) >= before + 9)
  t.same(told, ['disconnect alice', 'disconnect bob'])
  t.same(drops, [{ reason: 'kept_order', dropped: 1 }])
})

t.test('a process that reads what it has heard does it once, and so does the one that ordered it', async (t) => {
  const redis = await startRedis(t)
  const one = await openControl(t, redis, { reloadEveryMs: 50 })
  const other = await openControl(t, redis, { reloadEveryMs: 50 })
  await until('both are loaded', () => one.control.loaded && other.control.loaded)
  await one.control.disconnect('alice')
  await one.control.recheck('bob')
  await until('the other was told', () => other.told.length >= 2)
  const before = await countScripts(redis)
  await until('both have read again', async () => await countScripts(redis) >= before + 18)
  for (const { told } of [one, other]) t.same(told, ['disconnect alice', 'recheck bob'])
  const late = await openControl(t, redis, { reloadEveryMs: 50 })
  await until('one that starts later has loaded', () => late.control.loaded)
  const then = await countScripts(redis)
  await until('and has read again', async () => await countScripts(redis) >= then + 18)
  t.same(late.told, [])
})

t.test('orders are kept for two minutes and in a number that is bounded: a further one is rejected, and not done', async (t) => {
  const redis = await startRedis(t)
  const { control, told } = await openControl(t, redis, { prefix: 'p:' })
  await control.disconnect('alice')
  const ttlMs = await redis.client.pttl('p:ws:control:orders')
  t.ok(ttlMs > KEPT_MS - 10_000 && ttlMs <= KEPT_MS, `${ttlMs}`)
  const endsAtMs = Date.now() + 60_000
  await redis.client.zadd('p:ws:control:orders', ...Array.from({ length: MAX_ORDERS }, (_, n) => [endsAtMs, `o${n}`]).flat())
  await t.rejects(control.disconnect('bob'), /too many/)
  await t.rejects(control.recheck(null), /too many/)
  t.same(told, ['disconnect alice'])
})

t.test('entries that this version cannot read are reported, and the others count', async (t) => {
  const redis = await startRedis(t)
  const endsAtMs = Date.now() + 60_000
  await redis.client.zadd('ws:revocations', endsAtMs, 'rubbish', endsAtMs, '{"kind":"jti"}', endsAtMs,
    JSON.stringify({ ...TOKEN }))
  const drops: object[] = []
  const { control } = await openControl(t, redis, { onInvalid: (report) => { drops.push(report) } })
  await until('it is loaded', () => control.loaded)
  t.equal(control.isRevoked(identity()), true)
  t.same(drops, [{ reason: 'kept_revocation', dropped: 1 }])
})

t.test('after a lost connection it reads again, whatever the period', async (t) => {
  const redis = await startRedis(t)
  const { control } = await openControl(t, redis)
  await until('it is loaded and listens', async () => control.loaded && (await redis.client.pubsub('CHANNELS')).length === 1)
  await redis.client.zadd('ws:bans', Date.now() + 60_000, '192.0.2.9')
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await until('it has read', () => control.bannedForMs('192.0.2.9') > 0)
})

t.test('a Redis that comes back empty forgets nothing that a process still knows', async (t) => {
  const redis = await startRedis(t)
  const { control } = await openControl(t, redis)
  const other = await openControl(t, redis)
  await until('both are loaded', () => control.loaded && other.control.loaded)
  await control.revoke(TOKEN)
  await control.revoke({ kind: 'sub', id: 'bob', issuer: 'main', issuedBeforeMs: 5000 })
  await control.ban('192.0.2.1', 600_000)
  await redis.restart()
  await until('it is kept again', async () => await redis.client.hlen('{ws:revocations}:orders') === 3 && await redis.client.exists('ws:ban:192.0.2.1') === 1)
  t.equal(control.isRevoked(identity()), true)
  const late = await openControl(t, redis)
  await until('a new process is loaded', () => late.control.loaded)
  t.equal(late.control.isRevoked(identity()), true)
  t.equal(late.control.isRevoked(identity({ subject: 'bob', tokenId: null, issuedAtMs: 4000 })), true)
  t.equal(late.control.isRevoked(identity({ subject: 'bob', tokenId: null, issuedAtMs: 6000 })), false)
  t.ok(late.control.bannedForMs('192.0.2.1') > 500_000)
})

t.test('a process that has never loaded is not ready, and becomes so by itself', async (t) => {
  const redis = await startRedis(t)
  await redis.client.zadd('ws:bans', Date.now() + 60_000, '192.0.2.9')
  const client = await openClient(t, redis)
  const { handlers } = createRecorder()
  const control = createRedisControl({ client, prefix: '', maxTokenLifetimeMs: LIFETIME_MS, issuers: ['main'], timeoutMs: 100 })
  t.teardown(async () => { await control.close() })
  redis.pause()
  control.start(handlers)
  await t.rejects(control.ban('192.0.2.1', 1000))
  t.equal(control.loaded, false)
  redis.resume()
  await until('it is loaded', () => control.loaded)
  t.ok(control.bannedForMs('192.0.2.9') > 0)
})

t.test('while Redis hangs or is away, every order rejects in time, and what is known still holds', async (t) => {
  const redis = await startRedis(t)
  const { control, told } = await openControl(t, redis)
  await until('it is loaded', () => control.loaded)
  await control.revoke(TOKEN)
  const orders = async () => await Promise.allSettled([
    control.revoke({ ...TOKEN, id: 'other' }), control.unrevoke(TOKEN), control.ban('192.0.2.3', 1000), control.unban('192.0.2.3'),
    control.disconnect('alice'), control.recheck(null)
  ])
  told.length = 0
  redis.pause()
  const began = Date.now()
  t.ok((await orders()).every(({ status }) => status === 'rejected'))
  t.ok(Date.now() - began < HANG_MS)
  redis.resume()
  await redis.stop()
  t.ok((await orders()).every(({ status }) => status === 'rejected'))
  t.same(told, [], 'what is not kept is not done here either')
  t.equal(control.isRevoked(identity()), true)
  t.equal(control.bannedForMs('192.0.2.3'), 0)
  await control.close()
  await t.rejects(control.recheck(null), /closed/)
})
