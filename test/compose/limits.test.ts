import t, { type Test } from 'tap'
import { createAudit } from '../../src/audit/audit.js'
import { createLog } from '../../src/audit/log.js'
import { composeLimits, type Limits } from '../../src/compose/limits.js'
import { loadConfig } from '../../src/config/load-config.js'
import { createMetrics } from '../../src/metrics/metrics.js'
import { LEAST, NOW_MS } from '../config/expect-mistakes.js'

const ADDRESS = '192.0.2.1'

/** Limits in memory: two attempts for an address, one socket for a user. */
function startLimits (t: Test, mode: 'enforce' | 'dry-run'): { limits: Limits, decisions: (limit: string) => Promise<Record<string, number>> } {
  const config = loadConfig({ ...LEAST, WS_IP_CONNECTIONS: '2', WS_USER_CONNECTIONS: '1', WS_LIMITS_MODE: mode }, NOW_MS)
  const destination = { write () {} }
  const audit = createAudit({ log: createLog({ level: 'info', node: 'n1', destination }), node: 'n1', destination })
  const metrics = createMetrics({ connections: () => 0, redisUp: () => null, issuers: () => [], auditDropped: () => 0 })
  const limits = composeLimits(config, null, audit, metrics)
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

const lease = (n: number): { userId: string, connectionId: string } => ({ userId: 'alice', connectionId: `c${n}` })

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
