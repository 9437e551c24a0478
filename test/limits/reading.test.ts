import t, { type Test } from 'tap'
import type { Limiter, LimitSettings } from '../../src/limits/limiter.js'
import { createMemoryLimiter } from '../../src/limits/memory/limiter.js'
import { createGuardedReading } from '../../src/limits/outage/guarded-reading.js'
import type { LimitReader, LimitsReading } from '../../src/limits/reading.js'
import { createRedisLimitReader } from '../../src/limits/redis/limit-reader.js'
import { createRedisLimiter } from '../../src/limits/redis/limiter.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { HANG_MS } from '../support/until.js'
import { createTestClock, runByClock, type TestClock } from './clocks.js'
import { SETTINGS } from './limiter-conformance.js'

interface Subject { readonly limiter: Limiter, readonly reader: LimitReader, readonly clock: TestClock }

const EXACT: LimitSettings = { ...SETTINGS, addressConnections: 4, userConnections: 2 }
const COUNTED: LimitSettings = { ...SETTINGS, addressConnections: 1001, userConnections: 2 }
const START_MS = 1_700_000_000_000

/** A pseudo-random sequence that is the same in each run. */
function createDice (seed: number): (sides: number) => number {
  let state = seed
  return (sides) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor(state / 2_147_483_648 * sides)
  }
}

/** Whether what was read before each of many attempts is what the limiter then said; what differed. */
async function compare ({ limiter, reader, clock }: Subject, step: number, isExact = true): Promise<unknown[]> {
  const roll = createDice(7)
  const counted: Array<readonly [address: string, atMs: number]> = []
  const wrong: unknown[] = []
  for (let i = 0; i < 300; i++) {
    clock.advance(roll(step))
    const [address, owner] = [`192.0.2.${roll(3)}`, `u${roll(2)}`]
    const before = await reader.read({ address, owner })
    const waitMs = before.address?.waitMs ?? NaN
    const used = counted.filter(([of, atMs]) => of === address && atMs + SETTINGS.addressWindowMs > clock.now()).length
    if (isExact && before.address?.used !== used) wrong.push({ i, before, used })
    const full = (before.slots?.used ?? NaN) >= (before.slots?.limit ?? NaN)
    const said = await limiter.admit({ address, lease: { owner, connectionId: `c${i}` } })
    const byUser = full ? { admitted: false, limit: 'user' } : { admitted: true }
    const expected = waitMs > 0 ? { admitted: false, limit: 'address', retryAfterMs: waitMs } : byUser
    if (said.admitted || said.limit === 'user') counted.push([address, clock.now()])
    // On a cluster the lease of an attempt that its address refuses is undone behind it.
    await limiter.vacate([])
    const { retryAfterMs: _, ...rest } = { retryAfterMs: 0, ...said }
    if (JSON.stringify(waitMs > 0 ? said : rest) !== JSON.stringify(expected)) wrong.push({ i, before, said })
  }
  return wrong
}

/** Attempts that fill a window of 1001, and what is read and said then. */
async function fill ({ limiter, reader, clock }: Subject): Promise<unknown[]> {
  const attempt = { address: '192.0.2.9', lease: null }
  for (let i = 0; i < 1000; i++) await limiter.admit(attempt)
  clock.advance(5000)
  await limiter.admit(attempt)
  clock.advance(100)
  const before = await reader.read({ address: attempt.address, owner: null })
  const said = await limiter.admit(attempt)
  const { used, waitMs, resetMs } = before.address ?? {}
  return used === 1001 && !said.admitted && said.retryAfterMs === waitMs && resetMs === waitMs ? [] : [{ before, said }]
}

function ofMemory (settings: LimitSettings): Subject {
  const clock = createTestClock(START_MS)
  const limiter = createMemoryLimiter(settings, { now: clock.now })
  return { limiter, reader: limiter, clock }
}

async function ofRedis (t: Test, redis: TestRedis, settings: LimitSettings, isCluster: boolean): Promise<Subject> {
  await redis.client.flushall()
  const clock = createTestClock(START_MS)
  const client = runByClock(redis.client, clock, isCluster)
  const limiter = createRedisLimiter(client, settings, { prefix: 'p:', callTimeoutMs: HANG_MS })
  t.teardown(async () => { await limiter.close() })
  return { limiter, reader: createRedisLimitReader(client, settings, { prefix: 'p:', callTimeoutMs: HANG_MS }), clock }
}

t.test('what is read before an attempt is what the limiter then says, in memory', async (t) => {
  t.same(await compare(ofMemory(EXACT), 15_000), [])
  t.same(await compare(ofMemory(COUNTED), 15_000, false), [])
  t.same(await fill(ofMemory(COUNTED)), [])
})

t.test('the same in Redis, in one call and on a cluster', async (t) => {
  const redis = await startRedis(t)
  t.same(await compare(await ofRedis(t, redis, EXACT, false), 15_000), [])
  t.same(await compare(await ofRedis(t, redis, EXACT, true), 15_000), [])
  t.same(await fill(await ofRedis(t, redis, COUNTED, false)), [])
  t.same(await compare(await ofRedis(t, redis, COUNTED, false), 15_000, false), [])

  await t.test('a reading writes nothing, and renews no key', async (t) => {
    const { limiter, reader } = await ofRedis(t, redis, EXACT, false)
    await limiter.admit({ address: '192.0.2.1', lease: { owner: 'u', connectionId: 'c' } })
    const look = async (): Promise<unknown> => {
      const keys = (await redis.client.keys('*')).toSorted()
      return await Promise.all(keys.map(async key => [key, await redis.client.dumpBuffer(key), await redis.client.pexpiretime(key)]))
    }
    const before = await look()
    t.match(await reader.read({ address: '192.0.2.1', owner: 'u' }), { address: { used: 1, limit: 4 }, slots: { used: 1, limit: 2 } })
    await reader.read({ address: '192.0.2.2', owner: 'nobody' })
    t.same(await look(), before)
  })

  await t.test('a clock that was set back, and a limit that was on the other side of 1000, read as the script decides', async (t) => {
    const { limiter, reader, clock } = await ofRedis(t, redis, EXACT, false)
    for (let i = 0; i < 4; i++) await limiter.admit({ address: '192.0.2.1', lease: null })
    clock.advance(-200_000)
    t.match(await reader.read({ address: '192.0.2.1', owner: null }), { address: { used: 0, waitMs: 0 } })
    t.same(await limiter.admit({ address: '192.0.2.1', lease: null }), { admitted: true })
    const high = createRedisLimitReader(runByClock(redis.client, clock), COUNTED, { prefix: 'p:', callTimeoutMs: HANG_MS })
    t.match(await high.read({ address: '192.0.2.1', owner: null }), { address: { used: 0, limit: 1001 } })
  })

  await t.test('a value of another type is the matter of its key alone, and no outage', async (t) => {
    const { reader } = await ofRedis(t, redis, EXACT, false)
    await redis.client.set('p:ws:ratelimit:ip:192.0.2.1', 'text')
    const read = createGuardedReading({
      shared: reader, local: createMemoryLimiter(EXACT, { now: () => 0 }), policy: 'closed', guarded: { isDegraded: () => false, carriedWaitMs: () => 0 }
    })
    t.match(await read({ address: '192.0.2.1', owner: null }), { decidedBy: 'undecided', isDegraded: false, address: null })
    t.match(await read({ address: '192.0.2.2', owner: null }), { decidedBy: 'redis', address: { used: 0 } })
  })
})

t.test('with Redis away the policy answers, and a reading that finds out begins no outage', async (t) => {
  const away: LimitReader = { read: async () => { throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }) } }
  const local = createMemoryLimiter(EXACT, { now: () => 0 })
  await local.admit({ address: '192.0.2.1', lease: null })
  const said = async (policy: 'local' | 'open' | 'closed', isDegraded: boolean): Promise<LimitsReading> => await createGuardedReading({
    shared: away, local, policy, guarded: { isDegraded: () => isDegraded, carriedWaitMs: () => 0 }
  })({ address: '192.0.2.1', owner: 'u' })
  for (const isDegraded of [false, true]) {
    t.match(await said('local', isDegraded), { decidedBy: 'process', isDegraded: true, address: { used: 1 }, slots: { used: 0 } })
    t.match(await said('open', isDegraded), { decidedBy: 'everybody_passes', isDegraded: true })
    t.match(await said('closed', isDegraded), { decidedBy: 'nobody_passes', isDegraded: true })
  }
})

t.test('after an outage the process\'s own count refuses as well', async (t) => {
  const empty: LimitReader = { read: async () => ({ address: { used: 0, limit: 4, resetMs: 0, waitMs: 0 }, slots: null }) }
  const read = createGuardedReading({
    shared: empty, local: createMemoryLimiter(EXACT, { now: () => 0 }), policy: 'local', guarded: { isDegraded: () => false, carriedWaitMs: () => 1234 }
  })
  t.match(await read({ address: '192.0.2.1', owner: null }), { decidedBy: 'redis', address: { used: 0, waitMs: 1234 } })
})
