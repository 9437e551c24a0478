// A Redis that goes, and comes back empty: what this process has counted goes on to count.
import t, { type Test } from 'tap'
import { createGuardedLimiter, type GuardedLimiter, type RedisDownPolicy } from '../../../src/limits/outage/guarded-limiter.js'
import { createMemoryLimiter } from '../../../src/limits/memory/limiter.js'
import type { LimitSettings } from '../../../src/limits/limiter.js'
import { createMessageLimit } from '../../../src/limits/messages/message-limit.js'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import { connectRedis } from '../../../src/redis/connect.js'
import { startRedis, type TestRedis } from '../../support/redis.js'
import { HANG_MS, until } from '../../support/until.js'

/** Windows that no test outlives. */
const WINDOW_MS = 600_000
const SETTINGS: LimitSettings = {
  addressConnections: 10, addressWindowMs: WINDOW_MS, userConnections: 5, leaseMs: 30_000, messages: 100, messageWindowMs: WINDOW_MS
}
const ADDRESS = '192.0.2.1'
const now = (): number => performance.now()

interface Process {
  readonly limiter: GuardedLimiter
  readonly redis: TestRedis
  /** Attempts of an address, until one is refused: how many of `most` were let in. */
  attempt (most: number, address?: string): Promise<number>
}

async function startProcess (t: Test, policy: RedisDownPolicy): Promise<Process> {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url, commandTimeoutMs: 300 })
  t.ok(await connection.waitUntilUp(HANG_MS))
  const limiter = createGuardedLimiter({
    shared: createRedisLimiter(connection.commands, SETTINGS, {
      prefix: '', callTimeoutMs: 300, records: { prefix: '', node: 'n1', mayRestore: () => true }
    }),
    local: createMemoryLimiter(SETTINGS, { now }),
    policy,
    windowMs: WINDOW_MS,
    onFailure: () => {},
    now,
    onDegraded: () => {},
    onRestored: () => {}
  })
  t.teardown(async () => {
    await limiter.close()
    await connection.close()
  })
  return {
    limiter,
    redis,
    async attempt (most, address = ADDRESS) {
      for (let n = 0; n < most; n++) {
        const admission = await limiter.admit({ address, lease: null }).catch(() => ({ admitted: false }))
        if (!admission.admitted) return n
      }
      return most
    }
  }
}

/** Redis comes back without its data. */
async function bringBackEmpty (t: Test, { redis, limiter }: Process): Promise<void> {
  await redis.restart()
  await redis.client.flushall()
  await until('Redis is back', () => !limiter.isDegraded())
  t.equal(await redis.client.exists(`ws:ratelimit:ip:${ADDRESS}`), 0)
}

const LET_IN: ReadonlyArray<readonly [RedisDownPolicy, readonly number[]]> = [
  ['local', [4, 3, 3]],
  ['open', [4, 3, 3]],
  ['closed', [4, 0, 6]]
]
for (const [policy, expected] of LET_IN) {
  t.test(`${policy}: an address is let in one window's worth before, during and after an outage together`, async (t) => {
    const process = await startProcess(t, policy)
    const before = await process.attempt(4)
    await process.redis.stop()
    const during = await process.attempt(3)
    await bringBackEmpty(t, process)
    const after = await process.attempt(20)
    t.same([before, during, after], expected)
    t.match(await process.limiter.admit({ address: ADDRESS, lease: null }), { admitted: false, limit: 'address' })
    t.equal(await process.attempt(20, '192.0.2.2'), 10, 'another address has its whole window')
  })
}

t.test('open: what an address used beyond its limit during the outage is not forgotten with it', async (t) => {
  const process = await startProcess(t, 'open')
  t.equal(await process.attempt(1), 1)
  await process.redis.stop()
  t.equal(await process.attempt(30), 30)
  await bringBackEmpty(t, process)
  t.equal(await process.attempt(1), 0)
})

t.test('a pass spares an attempt after an outage too, once', async (t) => {
  const process = await startProcess(t, 'local')
  t.equal(await process.attempt(10), 10)
  await process.redis.stop()
  t.equal(await process.attempt(1), 0)
  await bringBackEmpty(t, process)
  const resume = { nonce: 'bm9uY2U', ttlMs: 60_000 }
  t.match(await process.limiter.admit({ address: ADDRESS, resume, lease: null }), { admitted: true })
  t.match(await process.limiter.admit({ address: ADDRESS, resume, lease: null }), { admitted: false, limit: 'address' })
})

for (const policy of ['local', 'closed'] as const) {
  t.test(`${policy}: messages of an address are one window's worth before, during and after an outage together`, async (t) => {
    const process = await startProcess(t, policy)
    const limit = createMessageLimit(process.limiter, { now })
    t.teardown(() => { limit.close() })
    const send = async (most: number): Promise<number> => {
      for (let n = 0; n < most; n++) if (!limit.spend(ADDRESS) && !(await limit.request(ADDRESS)).granted) return n
      return most
    }
    const before = await send(50)
    await process.redis.stop()
    // The grant at hand may last: what notices the outage here is that the connection is gone.
    process.limiter.noteAway()
    const during = await send(30)
    await bringBackEmpty(t, process)
    const after = await send(1000)
    const total = before + during + after
    t.ok(total >= 100 - 1 && total <= 100, `${before} + ${during} + ${after}`)
  })
}

t.test('no more is lent ahead after an outage than this process knows to be left', async (t) => {
  const process = await startProcess(t, 'local')
  const sendAll = async (most: number): Promise<number> => {
    const limit = createMessageLimit(process.limiter, { now })
    t.teardown(() => { limit.close() })
    for (let n = 0; n < most; n++) if (!limit.spend(ADDRESS) && !(await limit.request(ADDRESS)).granted) return n
    limit.close()
    return most
  }
  t.equal(await sendAll(97), 97)
  await process.redis.stop()
  process.limiter.noteAway()
  await bringBackEmpty(t, process)
  t.equal(await sendAll(20), 3)
})
