import t from 'tap'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import { startRedis } from '../../support/redis.js'
import { HANG_MS, until } from '../../support/until.js'
import { SETTINGS } from '../limiter-conformance.js'

const redis = await startRedis(t)

t.test('a pass is spent once, by one of a hundred parallel attempts over three processes', async (t) => {
  const processes = [0, 1, 2].map(() => createRedisLimiter(redis.client, SETTINGS, { prefix: 'passes:', callTimeoutMs: HANG_MS }))
  for (let i = 0; i < 10; i++) await processes[0]?.admit({ address: '192.0.2.1', lease: null })
  const attempt = { address: '192.0.2.1', resume: { nonce: 'once', ttlMs: 30_000 }, lease: null }
  const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => await processes[i % 3]?.admit(attempt)))
  t.equal(answers.filter((answer) => answer?.admitted).length, 1)
  const ttlMs = await redis.client.pttl('passes:ws:resume:{passes:ws:ratelimit:ip:192.0.2.1}:once')
  t.ok(ttlMs > 0 && ttlMs <= 30_000, `${ttlMs} ms`)
})

t.test('a pass is remembered for as long as it lives', async (t) => {
  const limiter = createRedisLimiter(redis.client, { ...SETTINGS, addressConnections: 1 }, { prefix: 'short:', callTimeoutMs: HANG_MS })
  await limiter.admit({ address: '192.0.2.1', lease: null })
  t.ok((await limiter.admit({ address: '192.0.2.1', resume: { nonce: 'n', ttlMs: 0.25 }, lease: null })).admitted, 'its last moment is one')
  await until('it is forgotten', async () => await redis.client.exists('short:ws:resume:{short:ws:ratelimit:ip:192.0.2.1}:n') === 0)
})
