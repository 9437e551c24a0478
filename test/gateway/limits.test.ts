import t, { type Test } from 'tap'
import { createAudit } from '../../src/observe/audit.js'
import { createLog } from '../../src/observe/log/log.js'
import { composeLimits, type Limits } from '../../src/gateway/limits.js'
import { loadConfig } from '../../src/config/load-config.js'
import { NO_REDIS_FAILURES } from '../../src/gateway/redis-failures.js'
import { createMetrics } from '../../src/observe/metrics/metrics.js'
import { connectRedis, type RedisConnection } from '../../src/redis/connect.js'
import { LEAST, NOW_MS } from '../config/expect-mistakes.js'
import { BUILD } from '../support/metrics.js'
import { startRedis } from '../support/redis.js'
import { HANG_MS } from '../support/until.js'

const ADDRESS = '192.0.2.1'

/** Limits in memory or in Redis: two attempts for an address, one socket for a user. */
function startLimits (
  t: Test, mode: 'enforce' | 'dry-run', redis: RedisConnection | null = null
): { limits: Limits, decisions: (limit: string) => Promise<Record<string, number>> } {
  const config = loadConfig({ ...LEAST, WS_IP_CONNECTIONS: '2', WS_USER_CONNECTIONS: '1', WS_LIMITS_MODE: mode }, NOW_MS)
  const destination = { write () {} }
  const audit = createAudit({ log: createLog({ level: 'info', node: 'n1', destination }), node: 'n1', destination })
  const metrics = createMetrics()
  metrics.start({
    build: BUILD,
    connections: () => 0,
    redisUp: () => null,
    issuers: () => [],
    introspectionLateS: () => null,
    auditDropped: () => 0,
    ready: () => true,
    eventLoopLate: () => false
  })
  const limits = composeLimits({
    config, redis, audit, metrics, redisFailures: NO_REDIS_FAILURES, keepRecords: { node: 'n1', mayRestore: () => true }, processName: null, readsTopics: true
  })
  t.teardown(async () => {
    await limits.close()
    metrics.close()
    audit.close()
  })
  return {
    limits,
    async decisions (limit) {
      const { body } = await metrics.render()
      const found = body.matchAll(new RegExp(`^portcullis_limit_decisions_total\\{limit="${limit}",decision="(\\w+)"\\} (\\d+)$`, 'gm'))
      return Object.fromEntries(Array.from(found, ([, decision, count]) => [decision, Number(count)]))
    }
  }
}

const lease = (n: number): { owner: string, connectionId: string } => ({ owner: 'alice', connectionId: `c${n}` })

t.test('each decision is counted once, whoever makes it', async (t) => {
  const { limits, decisions } = startLimits(t, 'enforce')
  t.equal(limits.blockedForMs(ADDRESS), 0)
  t.same(await decisions('ip'), { allowed: 0, refused: 0, would_refuse: 0 }, 'an address that nothing is known of is no decision')
  await limits.limiter.admit({ address: ADDRESS, lease: lease(1) })
  await limits.limiter.admit({ address: ADDRESS, lease: lease(2) })
  t.same(await decisions('ip'), { allowed: 2, refused: 0, would_refuse: 0 })
  t.same(await decisions('user'), { allowed: 1, refused: 1, would_refuse: 0 })

  await limits.limiter.admit({ address: ADDRESS, lease: lease(3) })
  await limits.limiter.admit({ address: ADDRESS, lease: lease(4) })
  t.same(await decisions('ip'), { allowed: 2, refused: 2, would_refuse: 0 }, 'by the store, then by what is remembered of it')
  t.ok(limits.blockedForMs(ADDRESS) > 0)
  t.same(await decisions('ip'), { allowed: 2, refused: 3, would_refuse: 0 }, 'before the limiter is asked at all')

  limits.noteUserFull()
  t.same(await decisions('user'), { allowed: 1, refused: 2, would_refuse: 0 })
})

t.test('a dry run counts what it would refuse, and remembers nobody', async (t) => {
  const { limits, decisions } = startLimits(t, 'dry-run')
  for (let n = 1; n <= 4; n++) await limits.limiter.admit({ address: ADDRESS, lease: lease(n) })
  t.same(await decisions('ip'), { allowed: 2, refused: 0, would_refuse: 2 })
  t.same(await decisions('user'), { allowed: 1, refused: 0, would_refuse: 1 })
  t.equal(limits.blockedForMs(ADDRESS), 0)
  t.same(await decisions('ip'), { allowed: 2, refused: 0, would_refuse: 2 })
})

t.test('a dry run counts on keys of its own, and keeps the record of everybody whom it lets in', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url })
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  const { limits } = startLimits(t, 'dry-run', connection)
  const admit = async (n: number) => await limits.limiter.admit({ address: ADDRESS, lease: { ...lease(n), record: `of ${n}` } })
  t.ok((await admit(1)).admitted)
  t.match(await admit(2), { admitted: false, limit: 'user' })
  t.match(await admit(3), { admitted: false, limit: 'address' })
  t.same((await redis.client.keys('*')).sort(), ['dry-run:ws:ratelimit:ip:192.0.2.1', 'dry-run:ws:ratelimit:user:alice', 'ws:node:n1'])
  t.same({ ...await redis.client.hgetall('ws:node:n1') }, { c1: 'of 1', c2: 'of 2', c3: 'of 3' })
})
