import t, { type Test } from 'tap'
import { createRedisControl, type RedisControlOptions } from '../../src/control/redis-control.js'
import { openClient, openClusterClient } from '../fanout/clients.js'
import { until } from '../support/until.js'
import { startRedis, startRedisCluster, type TestRedis } from '../support/redis.js'
import { createRecorder, testControl, type Process } from './control-conformance.js'
import { identity } from './identities.js'

const LIFETIME_MS = 3_600_000
const TOKEN = { kind: 'jti', id: 'token-1', issuer: null, issuedBeforeMs: null } as const

async function openControl (t: Test, redis: TestRedis, more: Partial<RedisControlOptions> = {}): Promise<Process> {
  const { handlers, told } = createRecorder()
  const client = await openClient(t, redis)
  const control = createRedisControl({ client, prefix: '', handlers, maxTokenLifetimeMs: LIFETIME_MS, ...more })
  t.teardown(async () => { await control.close() })
  control.start()
  return { control, told }
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
    return async (settings) => createRedisControl({ ...settings, client: await openClusterClient(t, cluster), prefix, timeoutMs: 5000 })
  }, 2)
  t.test('back ends may publish as they like', async (t) => {
    const { handlers, told } = createRecorder()
    const client = await openClusterClient(t, cluster)
    const control = createRedisControl({ client, prefix: '', handlers, maxTokenLifetimeMs: LIFETIME_MS })
    t.teardown(async () => { await control.close() })
    control.start()
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
  await control.unrevoke({ kind: 'jti', id: 'token-1', issuer: null })
  t.equal(await redis.client.exists('p:ws:revocations'), 0)
})

t.test('an order whose message was lost is found by the next reading, and acted on once', async (t) => {
  const redis = await startRedis(t)
  const { control, told } = await openControl(t, redis, { reloadEveryMs: 50 })
  await until('it is loaded', () => control.loaded)
  const endsAtMs = Date.now() + 60_000
  await redis.client.zadd('ws:revocations', endsAtMs, JSON.stringify({ kind: 'sid', id: 'session-1', issuer: 'main', issuedBeforeMs: null }))
  await redis.client.zadd('ws:bans', endsAtMs, '192.0.2.9')
  await until('both are found', () => control.isRevoked(identity()) && control.bannedForMs('192.0.2.9') > 0)
  const calls = async (): Promise<number> => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1])
  const read = await calls()
  await until('it has read again', async () => await calls() >= read + 4)
  t.same(told, ['revoked alice true', 'ban 192.0.2.9'])
  await redis.client.del('ws:revocations')
  await until('a lifted one is found as well', () => !control.isRevoked(identity()))
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
  await until('it has read', () => control.bannedForMs('192.0.2.9') > 0, 5000)
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
  await until('it is kept again', async () => await redis.client.zcard('ws:revocations') === 2 && await redis.client.exists('ws:ban:192.0.2.1') === 1)
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
  const control = createRedisControl({ client, prefix: '', handlers, maxTokenLifetimeMs: LIFETIME_MS, timeoutMs: 100 })
  t.teardown(async () => { await control.close() })
  redis.pause()
  control.start()
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
  t.ok(Date.now() - began < 2500)
  redis.resume()
  await redis.stop()
  t.ok((await orders()).every(({ status }) => status === 'rejected'))
  t.equal(control.isRevoked(identity()), true)
  t.equal(control.bannedForMs('192.0.2.3'), 0)
  await control.close()
  await t.rejects(control.recheck(null), /closed/)
})
