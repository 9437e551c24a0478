import t, { type Test } from 'tap'
import type { Redis } from '#ioredis'
import type { Lease, Limiter, LimitSettings } from '../../../src/limits/limiter.js'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import type { Rider } from '../../../src/limits/redis/record-calls.js'
import { createNodeStore } from '../../../src/nodes/node-store.js'
import { offenders } from '../../support/offenders.js'
import { startRedis } from '../../support/redis.js'
import { createTestClock, runByClock, type TestClock } from '../clocks.js'
import { SETTINGS, testLimiter } from '../limiter-conformance.js'
import { testRecords } from '../record-conformance.js'
import { HANG_MS } from '../../support/until.js'

const redis = await startRedis(t)
let prefixes = 0

/** A limiter whose keys nobody else's are; the process-wide Redis serves all tests of this file. */
function makeLimiter (t: Test, settings: LimitSettings, clock?: TestClock, prefix = `t${prefixes++}:`): Limiter {
  const client = clock === undefined ? redis.client : runByClock(redis.client, clock)
  const limiter = createRedisLimiter(client, settings, { prefix, callTimeoutMs: HANG_MS })
  t.teardown(async () => { await limiter.close() })
  return limiter
}

const user = (connectionId: string, owner = 'alice') => ({ address: null, lease: { owner, connectionId } })

async function countCalls (): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0)
}

async function listKeys (client: Redis): Promise<string[]> {
  return (await client.keys('*')).sort()
}

testLimiter(t, async (t, settings) => {
  const clock = createTestClock(1_800_000_000_000)
  return { limiter: makeLimiter(t, settings, clock), clock }
})

t.test('records go with the leases', async (t) => { testRecords(t, { client: redis.client, look: redis.client }) })

t.test('a hundred upgrades of one user over two processes are exactly five', async (t) => {
  const both = [makeLimiter(t, SETTINGS, undefined, 'two:'), makeLimiter(t, SETTINGS, undefined, 'two:')]
  const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => await both[i % 2]?.admit(user(`c${i}`))))
  t.equal(answers.filter((answer) => answer?.admitted).length, 5)
})

t.test('two processes that share the last messages of a window get single ones and never more than the limit', async (t) => {
  const both = [makeLimiter(t, SETTINGS, undefined, 'shared:'), makeLimiter(t, SETTINGS, undefined, 'shared:')]
  const sizes: number[] = []
  for (let i = 0; i < 60; i++) {
    const grant = await both[i % 2]?.takeGrant({ address: '192.0.2.1', demand: 1, spare: 256 }, [])
    if (grant !== undefined && grant.granted > 0) sizes.push(grant.granted)
  }
  t.equal(sizes.reduce((sum, size) => sum + size), 100)
  t.same(sizes.slice(-3), [1, 1, 1])
})

t.test('what one tick brings is one script call', async (t) => {
  const limiter = makeLimiter(t, { ...SETTINGS, addressConnections: 1000 })
  await limiter.admit({ address: '192.0.2.1', lease: null })
  const before = await countCalls()
  await Promise.all(Array.from({ length: 200 }, async (_, i) => await limiter.admit({ address: '192.0.2.1', lease: { owner: `u${i}`, connectionId: 'c' } })))
  t.equal(await countCalls() - before, 1)
})

t.test('grants of one tick are a call for each fifty of them, and each has an answer of its own', async (t) => {
  const prefix = `t${prefixes++}:`
  const limiter = makeLimiter(t, SETTINGS, undefined, prefix)
  const address = (n: number): string => `192.0.2.${n}`
  const take = async (n: number, demand: number) => await limiter.takeGrant({ address: address(n), demand, spare: 0 }, [])
  await take(0, 100)
  await redis.client.set(`${prefix}ws:ratelimit:msg:${address(1)}`, 'foreign')
  const before = await countCalls()
  const results = await Promise.allSettled(Array.from({ length: 250 }, async (_, n) => await take(n, 1 + n % 3)))
  t.equal(await countCalls() - before, 5)
  const granted = results.map((result) => result.status === 'fulfilled' ? result.value.granted : String(result.reason).split(' ')[1])
  t.same(granted, Array.from({ length: 250 }, (_, n) => n === 0 ? 0 : n === 1 ? 'WRONGTYPE' : 1 + n % 3))
})

t.test('a process whose clock is wrong counts like all others', async (t) => {
  const [ahead, right] = [makeLimiter(t, SETTINGS, undefined, 'clock:'), makeLimiter(t, SETTINGS, undefined, 'clock:')]
  const dateNow = Date.now
  t.teardown(() => { Date.now = dateNow })
  Date.now = () => dateNow() + 10 * SETTINGS.addressWindowMs
  for (let i = 0; i < 10; i++) t.ok((await ahead.admit({ address: '192.0.2.1', lease: null })).admitted)
  t.notOk((await ahead.admit({ address: '192.0.2.1', lease: null })).admitted)
  Date.now = dateNow
  t.notOk((await right.admit({ address: '192.0.2.1', lease: null })).admitted)
})

t.test('on the real clock the stated time is when the next attempt passes', async (t) => {
  const limiter = makeLimiter(t, { ...SETTINGS, addressConnections: 1, addressWindowMs: 300 })
  const attempt = { address: '192.0.2.1', lease: null }
  const firstAt = performance.now()
  // Both in one call: no machine is slow enough for the window to pass between them.
  const [, refused] = await Promise.all([limiter.admit(attempt), limiter.admit(attempt)])
  t.match(refused, { admitted: false, limit: 'address' })
  const retryAfterMs = refused.admitted ? 0 : refused.retryAfterMs
  t.ok(retryAfterMs > 0 && retryAfterMs <= 300, `${retryAfterMs} ms`)
  const statedAt = performance.now() + retryAfterMs
  const asks: number[] = []
  do asks.push(performance.now()); while (!(await limiter.admit(attempt)).admitted)
  t.same(asks.slice(0, -1).filter(askedAt => askedAt > statedAt + 50), [], 'not refused beyond it')
  t.ok(performance.now() - firstAt >= 299, 'and not earlier')
})

t.test('a clock that is set back locks nobody out for longer than two windows', async (t) => {
  for (const limit of [10, 2000]) {
    const clock = createTestClock(1_800_000_000_000)
    const settings = { ...SETTINGS, addressConnections: limit, messages: limit, userConnections: 2 }
    const limiter = makeLimiter(t, settings, clock)
    await Promise.all(Array.from({ length: limit + 1 }, async () => await limiter.admit({ address: '192.0.2.1', lease: null })))
    await limiter.takeGrant({ address: '192.0.2.1', demand: limit, spare: 0 }, [])
    await Promise.all(['a', 'b'].map(async (id) => await limiter.admit(user(id))))
    clock.advance(-24 * 3_600_000)
    await limiter.admit(user('c'))
    clock.advance(2 * SETTINGS.addressWindowMs)
    t.ok((await limiter.admit({ address: '192.0.2.1', lease: null })).admitted, `address, limit ${limit}`)
    t.ok((await limiter.takeGrant({ address: '192.0.2.1', demand: 1, spare: 0 }, [])).granted > 0, `messages, limit ${limit}`)
    t.ok((await limiter.admit(user('c'))).admitted, 'user')
  }
})

t.test('a window above 1000 never takes more than sixty counters', async (t) => {
  const clock = createTestClock(1_800_000_000_123)
  const limiter = makeLimiter(t, { ...SETTINGS, addressConnections: 2000, messages: 2000 }, clock, 'sixty:')
  for (let i = 0; i < 250; i++) {
    await limiter.admit({ address: '192.0.2.1', lease: null })
    await limiter.takeGrant({ address: '192.0.2.1', demand: 1, spare: 1 }, [])
    clock.advance(431)
    for (const kind of ['ip', 'msg']) {
      const fields = await redis.client.hkeys(`sixty:ws:ratelimit:${kind}:192.0.2.1`)
      const counters = fields.filter((field) => /^\d+$/.test(field)).length
      if (counters > 60) t.fail(`${counters} counters in ${kind}`)
    }
  }
  t.pass()
})

t.test('limits that cross 1000 between two releases do not break', async (t) => {
  for (const [before, after] of [[10, 2000], [2000, 10]] as const) {
    const prefix = `cross${before}:`
    const settings = (limit: number) => ({ ...SETTINGS, addressConnections: limit, messages: limit })
    const old = makeLimiter(t, settings(before), undefined, prefix)
    const address = '192.0.2.1'
    await old.admit({ address, lease: null })
    const grant = await old.takeGrant({ address, demand: 1, spare: 5 }, [])
    const next = makeLimiter(t, settings(after), undefined, prefix)
    t.ok((await next.admit({ address, lease: null })).admitted)
    t.equal((await next.takeGrant({ address, demand: 1, spare: 0 }, [])).granted, 1)
    const settlement = { address, id: grant.id, granted: grant.granted, spent: 1, lastSpentMs: 0 }
    const back = await old.takeGrant({ address, demand: 1, spare: 0 }, [settlement])
    t.equal(back.granted, 1)
  }
})

t.test('scripts that Redis has forgotten are sent again', async (t) => {
  const limiter = makeLimiter(t, SETTINGS)
  t.ok((await limiter.admit(user('a'))).admitted)
  await redis.client.script('FLUSH')
  t.ok((await limiter.admit(user('b'))).admitted)
  t.match(await limiter.takeGrant({ address: '192.0.2.1', demand: 1, spare: 0 }, []), { granted: 1 })
  await redis.client.script('FLUSH')
  await limiter.renew([{ owner: 'alice', connectionId: 'a' }])
})

t.test('a renewal whose script Redis has forgotten puts back nothing that is vacated or released meanwhile', async (t) => {
  const limiter = makeLimiter(t, SETTINGS, undefined, 'late:')
  const [vacated, released] = [user('vacated').lease, user('released').lease]
  for (const lease of [vacated, released]) await limiter.admit({ address: null, lease })
  await redis.client.script('FLUSH')
  // Now it knows the script that removes, and not the one that renews.
  await limiter.vacate([user('never').lease])
  const renewed = limiter.renew([vacated, released])
  limiter.release(released)
  await limiter.vacate([vacated])
  await renewed
  await limiter.close()
  t.same(await redis.client.zrange('late:ws:ratelimit:user:alice', '0', '-1'), [])
})

t.test('after a flush the next renewal registers what is open', async (t) => {
  const limiter = makeLimiter(t, SETTINGS)
  const leases: Lease[] = ['a', 'b', 'c', 'd', 'e'].map((connectionId) => ({ owner: 'alice', connectionId }))
  for (const lease of leases) await limiter.admit({ address: null, lease })
  await redis.client.flushall()
  await limiter.renew(leases)
  t.notOk((await limiter.admit(user('f'))).admitted)
})

t.test('more leases than one call takes are all renewed and given back', async (t) => {
  const limiter = makeLimiter(t, SETTINGS, undefined, 'many:')
  const leases: Lease[] = Array.from({ length: 1201 }, (_, i) => ({ owner: `u${i}`, connectionId: 'c' }))
  await limiter.renew(leases)
  t.equal((await redis.client.keys('many:*')).length, 1201)
  for (const lease of leases) limiter.release(lease)
  await limiter.close()
  t.equal((await redis.client.keys('many:*')).length, 0)
})

/** A process whose renewals take its heartbeat along whenever they may, and what became of each ride. */
function makeRiding (t: Test, client: Redis, { prefix = `t${prefixes++}:`, mayBeLost = (): boolean => false } = {}) {
  const store = createNodeStore({ client, prefix, node: 'n', leaseMs: SETTINGS.leaseMs, timeoutMs: HANG_MS })
  const rides: unknown[] = []
  const takeRider = (): Rider | null => {
    const riding = store.rideAlong()
    return riding === null ? null : { ...riding, answered: (reply) => { rides.push(reply) }, failed: (error) => { rides.push(error) } }
  }
  const failures: unknown[] = []
  const limiter = createRedisLimiter(client, SETTINGS, {
    prefix, callTimeoutMs: HANG_MS, records: { prefix, node: 'n', mayRestore: () => true, mayBeLost, takeRider }, onFailure: (error) => { failures.push(error) }
  })
  t.teardown(async () => { await limiter.close() })
  return { limiter, store, prefix, rides, failures }
}
const recorded = (owner: string, connectionId = `c-${owner}`): Lease => ({ owner, connectionId, record: 'r' })

t.test('leases, the look for their records and the heartbeat are one call, one command for all of a user', async (t) => {
  const { limiter, store, prefix, rides } = makeRiding(t, redis.client)
  const leases = ['alice', 'bob', 'carol'].flatMap(owner => [1, 2, 3].map(n => recorded(owner, `${owner}-${n}`)))
  await limiter.renew(leases)
  const count = async (command: string): Promise<number> =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await redis.client.info('commandstats'))?.[1] ?? 0)
  const before = { calls: await count('evalsha'), zadd: await count('zadd'), looks: await count('hmget') }
  await limiter.renew(leases)
  t.equal(await count('evalsha') - before.calls, 1)
  t.equal(await count('zadd') - before.zadd, 4, 'three users, and the index of nodes')
  t.equal(await count('hmget') - before.looks, 0, 'Redis had all of the leases')
  const beat = store.rideAlong()?.read(rides.at(-1) as readonly unknown[])
  t.match(beat, { lapsed: false, index: 'noted' })
  t.equal(Number(await redis.client.zscore(`${prefix}ws:nodes`, 'n')), beat?.aliveUntilMs)
  t.match(await redis.client.hget(`${prefix}ws:node:n`, ''), new RegExp(`^${beat?.aliveUntilMs}:`))
  t.equal(await redis.client.zcard(`${prefix}ws:ratelimit:user:alice`), 3)
})

t.test('a record that was lost with its lease comes back, and one that was lost alone once it may have been', async (t) => {
  let mayBeLost = false
  const { limiter, prefix } = makeRiding(t, redis.client, { mayBeLost: () => mayBeLost })
  const leases = ['alice', 'bob'].map(owner => recorded(owner))
  const kept = async (): Promise<string[]> => (await redis.client.hkeys(`${prefix}ws:node:n`)).filter(id => id !== '').sort()
  await limiter.renew(leases)
  t.same(await kept(), ['c-alice', 'c-bob'])
  await redis.client.del(`${prefix}ws:ratelimit:user:alice`, `${prefix}ws:node:n`)
  await limiter.renew(leases)
  t.same(await kept(), ['c-alice'], 'of the other nothing says that it is gone')
  mayBeLost = true
  await limiter.renew(leases)
  t.same(await kept(), ['c-alice', 'c-bob'])
})

t.test('records that could not be put back are looked for until they are', async (t) => {
  const { limiter, prefix, failures } = makeRiding(t, redis.client)
  await redis.client.set(`${prefix}ws:node:n`, 'not ours')
  await limiter.renew([recorded('alice')])
  t.ok(failures.length > 0)
  await redis.client.del(`${prefix}ws:node:n`)
  await limiter.renew([recorded('alice')])
  t.equal(await redis.client.hexists(`${prefix}ws:node:n`, 'c-alice'), 1)
})

t.test('a heartbeat that goes wrong costs no lease, nor a lease of another type the heartbeat', async (t) => {
  const { limiter, store, prefix, rides } = makeRiding(t, redis.client)
  const read = (): unknown => store.rideAlong()?.read(rides.at(-1) as readonly unknown[])
  await redis.client.set(`${prefix}ws:node:n`, 'not ours')
  await limiter.renew([recorded('alice')])
  t.equal(await redis.client.zcard(`${prefix}ws:ratelimit:user:alice`), 1)
  t.throws(read, /WRONGTYPE/)
  await redis.client.del(`${prefix}ws:node:n`)
  await redis.client.set(`${prefix}ws:nodes`, 'not ours')
  await redis.client.set(`${prefix}ws:ratelimit:user:bob`, 'not ours')
  await limiter.renew([recorded('bob'), recorded('alice')])
  t.match(read(), { lapsed: true, index: /WRONGTYPE/ })
})

t.test('a heartbeat without its rights makes the call once more without it', async (t) => {
  await redis.client.call('ACL', 'SETUSER', 'no-index', 'on', '>pass', '~acl:ws:ratelimit:*', '~acl:ws:node:*', '~{acl:ws:node:*', '+@all')
  const client = redis.client.duplicate({ username: 'no-index', password: 'pass' })
  t.teardown(() => { client.disconnect() })
  const { limiter, rides } = makeRiding(t, client, { prefix: 'acl:' })
  await limiter.renew([recorded('alice')])
  t.equal(await redis.client.zcard('acl:ws:ratelimit:user:alice'), 1)
  t.match(rides, [/NOPERM|permission|access/])
})

t.test('hostile ids keep to one key each, of which none stays for ever', async (t) => {
  await redis.client.flushall()
  const limiter = makeLimiter(t, SETTINGS, undefined, '')
  const ids = ['a:b', '{a}', '*', '\u0000', 'a\r\nb', '%', '\ud800', '\udfff', 'ü', 'é'.repeat(5000), '../x', 'ip:192.0.2.1']
  t.same(await offenders(ids, async id => (await limiter.admit(user(id, id))).admitted), [])
  await limiter.admit({ address: '2001:db8:1:2::/64', lease: null })
  await limiter.takeGrant({ address: '2001:db8:1:2::/64', demand: 1, spare: 20 }, [])
  const keys = await listKeys(redis.client)
  t.equal(keys.length, ids.length + 2)
  t.ok(keys.includes('ws:ratelimit:ip:2001:db8:1:2::/64'))
  t.ok(keys.includes('ws:ratelimit:msg:2001:db8:1:2::/64'))
  t.ok(keys.includes('ws:ratelimit:user:a%3Ab'))
  for (const key of keys) {
    t.match(key, /^ws:ratelimit:(user:[A-Za-z0-9._%-]+|(ip|msg):2001:db8:1:2::\/64)$/)
    t.ok(await redis.client.pttl(key) > 0, 'has a TTL')
  }
})

t.test('every key has a TTL, whatever was done and however high the limits', async (t) => {
  await redis.client.flushall()
  for (const limit of [10, 5000]) {
    const limiter = makeLimiter(t, { ...SETTINGS, addressConnections: limit, messages: limit }, undefined, `ttl${limit}:`)
    const address = '192.0.2.1'
    for (let i = 0; i < 12; i++) await limiter.admit({ address, lease: { owner: 'u', connectionId: `c${i}` } })
    const grant = await limiter.takeGrant({ address, demand: 2, spare: 6 }, [])
    const settlement = { address, id: grant.id, granted: grant.granted, spent: 3, lastSpentMs: 12 }
    await limiter.takeGrant({ address, demand: limit, spare: 0 }, [settlement])
    limiter.settle([settlement])
    await limiter.renew([{ owner: 'u', connectionId: 'again' }, { owner: 'v', connectionId: 'w' }])
    limiter.release({ owner: 'u', connectionId: 'c1' })
    await limiter.close()
  }
  const keys = await listKeys(redis.client)
  t.ok(keys.length >= 8)
  t.same(await offenders(keys, async key => await redis.client.pttl(key) > 0), [])
})

t.test('a closed limiter gives back what was asked for before, and refuses to decide', async (t) => {
  const limiter = makeLimiter(t, SETTINGS, undefined, 'closed:')
  await limiter.admit(user('a'))
  limiter.release({ owner: 'alice', connectionId: 'a' })
  await limiter.close()
  t.equal(await redis.client.exists('closed:ws:ratelimit:user:alice'), 0)
  await t.rejects(limiter.admit(user('b')))
})

t.test('a Redis that hangs or is read-only rejects in bounded time, and no lease is left', async (t) => {
  const own = await startRedis(t)
  const limiter = createRedisLimiter(own.client, SETTINGS, { prefix: '', callTimeoutMs: 200 })
  await limiter.admit(user('a'))
  own.pause()
  const startedAt = performance.now()
  await t.rejects(limiter.admit(user('b')), { name: 'RedisTimeout' })
  t.ok(performance.now() - startedAt < HANG_MS)
  own.resume()
  await own.client.ping()
  await limiter.close()
  t.equal(await own.client.zcard('ws:ratelimit:user:alice'), 1)
  t.equal(await own.client.zscore('ws:ratelimit:user:alice', 'b'), null, 'the attempt that ran late was undone')
  const after = createRedisLimiter(own.client, SETTINGS, { prefix: '', callTimeoutMs: 1000 })
  await own.client.call('REPLICAOF', '127.0.0.1', '1')
  await t.rejects(after.admit(user('c')), /READONLY/)
  await own.client.call('REPLICAOF', 'NO', 'ONE')
  t.ok((await after.admit(user('c'))).admitted)
  await after.close()
})
