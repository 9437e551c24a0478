import t, { type Test } from 'tap'
import { createGuardedLimiter, type GuardedLimiter, type RedisDownPolicy } from '../../../src/limits/outage/guarded-limiter.js'
import type { GrantSettlement } from '../../../src/limits/limiter.js'
import { createMemoryLimiter } from '../../../src/limits/memory/limiter.js'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import { connectRedis } from '../../../src/redis/connect.js'
import { offenders } from '../../support/offenders.js'
import { startRedis, type TestRedis } from '../../support/redis.js'
import { HANG_MS, until } from '../../support/until.js'
import { SETTINGS } from '../limiter-conformance.js'

const now = (): number => performance.now()
const ADDRESS = '192.0.2.1'
const user = (connectionId: string) => ({ address: null, lease: { owner: 'alice', connectionId } })

interface Guarded {
  readonly limiter: GuardedLimiter
  readonly redis: TestRedis
  /** What the operator was told. */
  readonly told: string[]
}

async function startGuarded (t: Test, policy: RedisDownPolicy): Promise<Guarded> {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url, commandTimeoutMs: 300 })
  t.ok(await connection.waitUntilUp(HANG_MS))
  const told: string[] = []
  const onFailure = (error: unknown): void => { told.push(error instanceof Error ? `failed: ${error.message.slice(0, 9)}` : 'failed') }
  const limiter = createGuardedLimiter({
    shared: createRedisLimiter(connection.commands, SETTINGS, {
      prefix: '', callTimeoutMs: 300, records: { prefix: '', node: 'n1', mayRestore: () => true }, onFailure
    }),
    local: createMemoryLimiter(SETTINGS, { now }),
    policy,
    windowMs: Math.max(SETTINGS.addressWindowMs, SETTINGS.messageWindowMs),
    now,
    onDegraded: (reason) => { told.push(`degraded: ${reason}`) },
    onRestored: (downMs) => { told.push(downMs > 0 ? 'restored' : 'restored in no time') },
    onFailure
  })
  t.teardown(async () => {
    await limiter.close()
    await connection.close()
  })
  return { limiter, redis, told }
}

async function waitUntilRestored ({ limiter }: Guarded): Promise<void> {
  await until('Redis is back', () => !limiter.isDegraded())
}

t.test('while Redis is away the process counts itself, leases from before included, and Redis knows them after', async (t) => {
  const guarded = await startGuarded(t, 'local')
  const { limiter, redis, told } = guarded
  t.same(await offenders(['a', 'b', 'c'], async id => (await limiter.admit(user(id))).admitted), [])
  limiter.release({ owner: 'alice', connectionId: 'c' })
  await redis.stop()
  t.same(await offenders(['d', 'e', 'f'], async id => (await limiter.admit(user(id))).admitted), [])
  t.match(await limiter.admit(user('g')), { admitted: false, limit: 'user' })
  for (let i = 0; i < 10; i++) t.ok((await limiter.admit({ address: ADDRESS, lease: null })).admitted)
  t.match(await limiter.admit({ address: ADDRESS, lease: null }), { admitted: false, limit: 'address' })
  limiter.release({ owner: 'alice', connectionId: 'f' })
  await limiter.renew([{ owner: 'alice', connectionId: 'a' }])
  t.same(told, ['degraded: unreachable'], 'once')
  await redis.restart()
  await waitUntilRestored(guarded)
  t.same(told, ['degraded: unreachable', 'restored'])
  t.same((await redis.client.zrange('ws:ratelimit:user:alice', '0', '-1')).sort(), ['a', 'b', 'd', 'e'])
  t.ok((await limiter.admit(user('h'))).admitted)
  t.match(await limiter.admit(user('i')), { admitted: false, limit: 'user' })
})

t.test('records of connections from before an outage and from within it are in Redis after it', async (t) => {
  const guarded = await startGuarded(t, 'local')
  const { limiter, redis } = guarded
  const lease = (connectionId: string) => ({ owner: 'alice', connectionId, record: `of ${connectionId}` })
  for (const id of ['a', 'b']) await limiter.admit({ address: null, lease: lease(id) })
  t.same({ ...await redis.client.hgetall('ws:node:n1') }, { a: 'of a', b: 'of b' })
  await redis.stop()
  t.same(await offenders(['c', 'd'], async id => (await limiter.admit({ address: null, lease: lease(id) })).admitted), [])
  limiter.release(lease('b'))
  limiter.release(lease('d'))
  await redis.restart()
  await waitUntilRestored(guarded)
  t.same({ ...await redis.client.hgetall('ws:node:n1') }, { a: 'of a', c: 'of c' })
})

t.test('while Redis is away a pass is spent in this process, and vacating waits for nobody', async (t) => {
  const guarded = await startGuarded(t, 'local')
  const { limiter, redis } = guarded
  const withPass = { address: ADDRESS, resume: { nonce: 'n', ttlMs: 60_000 }, lease: null }
  for (const id of ['a', 'b', 'c', 'd', 'e']) await limiter.admit(user(id))
  redis.pause()
  for (let i = 0; i < 10; i++) t.ok((await limiter.admit({ address: ADDRESS, lease: null })).admitted)
  t.ok((await limiter.admit(withPass)).admitted)
  t.notOk((await limiter.admit(withPass)).admitted)
  const startedAt = now()
  await limiter.vacate([user('a').lease, user('b').lease])
  t.ok(now() - startedAt < 200, `${now() - startedAt} ms`)
  t.ok((await limiter.admit(user('f'))).admitted)
  redis.resume()
  await waitUntilRestored(guarded)
  t.same((await redis.client.zrange('ws:ratelimit:user:alice', '0', '-1')).sort(), ['c', 'd', 'e', 'f'], 'nothing came back')
})

t.test('slots are free for other processes once vacating has resolved', async (t) => {
  const { limiter, redis } = await startGuarded(t, 'local')
  for (const id of ['a', 'b']) await limiter.admit(user(id))
  await limiter.vacate([user('a').lease])
  t.same(await redis.client.zrange('ws:ratelimit:user:alice', '0', '-1'), ['b'])
  redis.pause()
  const startedAt = now()
  await limiter.vacate([user('b').lease])
  t.ok(now() - startedAt < 2000, 'bounded when Redis begins to hang')
})

t.test('a Redis that hangs costs one bounded wait, then nothing until it answers', async (t) => {
  const guarded = await startGuarded(t, 'local')
  const { limiter, redis, told } = guarded
  await limiter.admit(user('a'))
  redis.pause()
  let startedAt = now()
  t.ok((await limiter.admit(user('b'))).admitted)
  t.ok(now() - startedAt < 1000, `${now() - startedAt} ms`)
  startedAt = now()
  for (let i = 0; i < 100; i++) await limiter.admit({ address: ADDRESS, lease: null })
  t.ok(now() - startedAt < 5000, `${now() - startedAt} ms for a hundred; one wait each would be 30 s`)
  t.same(told, ['degraded: timeout'])
  redis.resume()
  await waitUntilRestored(guarded)
  t.same((await redis.client.zrange('ws:ratelimit:user:alice', '0', '-1')).sort(), ['a', 'b'])
})

t.test('a Redis that became a read-only replica counts as away until it is a master again', async (t) => {
  const guarded = await startGuarded(t, 'local')
  const { limiter, redis, told } = guarded
  await redis.client.call('REPLICAOF', '127.0.0.1', '1')
  t.ok((await limiter.admit(user('a'))).admitted)
  t.same(told, ['degraded: read_only'])
  await redis.client.call('REPLICAOF', 'NO', 'ONE')
  await waitUntilRestored(guarded)
  t.equal(await redis.client.zcard('ws:ratelimit:user:alice'), 1)
  t.same(await redis.client.keys('*'), ['ws:ratelimit:user:alice'], 'the probe leaves nothing')
})

t.test('open lets everything pass while Redis is away', async (t) => {
  const guarded = await startGuarded(t, 'open')
  const { limiter, redis } = guarded
  await redis.stop()
  for (let i = 0; i < 20; i++) t.ok((await limiter.admit({ address: ADDRESS, lease: { owner: 'alice', connectionId: `c${i}` } })).admitted)
  const grant = await limiter.takeGrant({ address: ADDRESS, demand: 500, spare: 10 }, [])
  t.match(grant, { granted: 510, retryAfterMs: 0 })
  limiter.settle([{ address: ADDRESS, id: grant.id, granted: 510, spent: 500, lastSpentMs: 1 }])
  await redis.restart()
  await waitUntilRestored(guarded)
  t.equal(await redis.client.zcard('ws:ratelimit:user:alice'), 20, 'they are all counted after')
  t.match(await limiter.admit(user('late')), { admitted: false })
})

t.test('closed refuses attempts while Redis is away, and goes on counting the messages of open sockets', async (t) => {
  const guarded = await startGuarded(t, 'closed')
  const { limiter, redis } = guarded
  await limiter.admit(user('a'))
  await redis.stop()
  for (let i = 0; i < 3; i++) await t.rejects(limiter.admit(user('b')), { name: 'LimitsUnavailable' })
  t.match(await limiter.takeGrant({ address: ADDRESS, demand: 150, spare: 0 }, []), { granted: 100 })
  await limiter.renew([{ owner: 'alice', connectionId: 'a' }])
  await redis.restart()
  await waitUntilRestored(guarded)
  t.ok((await limiter.admit(user('b'))).admitted)
  t.equal(await redis.client.zcard('ws:ratelimit:user:alice'), 2)
})

t.test('a value of another type begins no outage under any policy: that attempt is undecided, and all others are decided in Redis', async (t) => {
  for (const policy of ['local', 'open', 'closed'] as const) {
    const { limiter, redis, told } = await startGuarded(t, policy)
    await redis.client.set('ws:ratelimit:user:mallory', 'not ours')
    await redis.client.set(`ws:ratelimit:msg:${ADDRESS}`, 'not ours')
    const [ofMallory, ofAlice] = await Promise.allSettled([
      limiter.admit({ address: null, lease: { owner: 'mallory', connectionId: 'm' } }), limiter.admit(user('a'))
    ])
    t.match(ofMallory, { status: 'rejected', reason: { name: 'LimitUndecided' } }, policy)
    t.match(ofAlice, { status: 'fulfilled', value: { admitted: true } }, policy)
    await t.rejects(limiter.takeGrant({ address: ADDRESS, demand: 1, spare: 0 }, []), { name: 'LimitUndecided' })
    await limiter.renew([{ owner: 'mallory', connectionId: 'm' }, user('a').lease])
    t.notOk(limiter.isDegraded())
    t.same([...new Set(told)], ['failed: WRONGTYPE'])
  }
})

t.test('an outage ends though a foreign value stands at a lease\'s key', async (t) => {
  const guarded = await startGuarded(t, 'local')
  const { limiter, redis, told } = guarded
  for (const id of ['a', 'b']) await limiter.admit({ address: null, lease: { owner: `of-${id}`, connectionId: id } })
  await redis.stop()
  await limiter.admit(user('c'))
  await redis.restart()
  await redis.client.set('ws:ratelimit:user:of-a', 'not ours')
  await waitUntilRestored(guarded)
  t.same([...new Set(told)].sort(), ['degraded: unreachable', 'failed: WRONGTYPE', 'restored'])
  t.same(await redis.client.zrange('ws:ratelimit:user:of-b', '0', '-1'), ['b'], 'those behind it were registered')
})

t.test('why Redis cannot be reached is told more exactly where that is known', async (t) => {
  const told: string[] = []
  const local = createMemoryLimiter(SETTINGS, { now })
  const limiter = createGuardedLimiter({
    shared: local, local, policy: 'local', now, onDegraded: (cause) => { told.push(cause) }, onRestored: () => {}, onFailure: () => {}, windowMs: 60_000, unreachableBecause: () => 'unauthenticated'
  })
  limiter.noteAway()
  t.same(told, ['unauthenticated'])
  await limiter.close()
})

t.test('grants of one side are settled on that side', async (t) => {
  const guarded = await startGuarded(t, 'local')
  const { limiter, redis } = guarded
  const settlement = (id: string, granted: number) => ({ address: ADDRESS, id, granted, spent: 1, lastSpentMs: 0 })
  const before = await limiter.takeGrant({ address: ADDRESS, demand: 1, spare: 40 }, [])
  await redis.stop()
  const during = await limiter.takeGrant({ address: ADDRESS, demand: 1, spare: 40 }, [settlement(before.id, before.granted)])
  t.equal(during.granted, 41)
  await redis.restart()
  await waitUntilRestored(guarded)
  const after = await limiter.takeGrant({ address: ADDRESS, demand: 1, spare: 40 }, [settlement(during.id, during.granted)])
  const last = await limiter.takeGrant({ address: ADDRESS, demand: 100, spare: 0 }, [settlement(after.id, after.granted)])
  t.match(last, { granted: 97 }, 'one was spent before, one during and one after: the rest of each grant came back')
  await redis.stop()
  t.match(await limiter.takeGrant({ address: ADDRESS, demand: 100, spare: 0 }, []), { granted: 0 }, 'the window goes on')
})

t.test('neither side is ever told of the other side\'s grants', async (t) => {
  const local = createMemoryLimiter(SETTINGS, { now })
  const shared = createMemoryLimiter(SETTINGS, { now })
  const toldShared: string[] = []
  const toldLocal: string[] = []
  const note = (ids: string[]) => (settled: readonly GrantSettlement[]) => { ids.push(...settled.map(({ id }) => id)) }
  let isAway = false
  const limiter = createGuardedLimiter({
    shared: {
      ...shared,
      renew: async () => { if (isAway) throw new Error('Connection is closed.') },
      takeGrant: async (request, settled) => {
        if (isAway) throw new Error('Connection is closed.')
        note(toldShared)(settled)
        return await shared.takeGrant(request, [])
      },
      settle: note(toldShared)
    },
    local: { ...local, settle: note(toldLocal), size: 0 },
    policy: 'local',
    windowMs: SETTINGS.addressWindowMs,
    now,
    onDegraded: (reason) => { t.equal(reason, 'unreachable') },
    onRestored: () => {},
    onFailure: (error) => { t.fail(String(error)) }
  })
  t.teardown(async () => { await limiter.close() })
  const take = async () => await limiter.takeGrant({ address: ADDRESS, demand: 1, spare: 3 }, [])
  const lent = await take()
  isAway = true
  const own = await take()
  isAway = false
  await until('it is back', () => !limiter.isDegraded())
  const settled = [lent, own].map(({ id, granted }) => ({ address: ADDRESS, id, granted, spent: 1, lastSpentMs: 0 }))
  limiter.settle(settled)
  await limiter.takeGrant({ address: ADDRESS, demand: 1, spare: 0 }, settled)
  t.equal(toldShared.length, 2)
  t.ok(toldShared.every((id) => lent.id.endsWith(id) && id !== lent.id))
  t.equal(toldLocal.length, 2)
  t.ok(toldLocal.every((id) => own.id.endsWith(id) && id !== own.id))
})
