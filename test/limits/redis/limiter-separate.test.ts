import t from 'tap'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import type { ScriptClient } from '../../../src/redis/lua-script.js'
import { startRedis } from '../../support/redis.js'
import { createTestClock, runByClock } from '../clocks.js'
import { testLimiter } from '../limiter-conformance.js'
import { testRecords } from '../record-conformance.js'
import { HANG_MS } from '../../support/until.js'

// What a limiter sends to a cluster, one key in each call, on a single Redis: there the test's clock can be put in.
const redis = await startRedis(t)
let prefixes = 0

testLimiter(t, async (t, settings) => {
  const clock = createTestClock(1_800_000_000_000)
  const limiter = createRedisLimiter(runByClock(redis.client, clock, true), settings, { prefix: `t${prefixes++}:`, callTimeoutMs: HANG_MS })
  t.teardown(async () => { await limiter.close() })
  return { limiter, clock }
})

t.test('records go in calls of their own', async (t) => {
  const client: ScriptClient = {
    isCluster: true,
    evalsha: async (sha, keyCount, ...rest) => await redis.client.evalsha(sha, keyCount, ...rest),
    eval: async (text, keyCount, ...rest) => await redis.client.eval(text, keyCount, ...rest)
  }
  testRecords(t, { client, look: redis.client })
})
