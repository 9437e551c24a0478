import t from 'tap'
import { createMemoryLimiter } from '../../../src/limits/memory/limiter.js'
import { createTestClock } from '../clocks.js'
import { SETTINGS, testLimiter } from '../limiter-conformance.js'

testLimiter(t, async (t, settings) => {
  const clock = createTestClock(0)
  const limiter = createMemoryLimiter(settings, { now: clock.now })
  t.teardown(async () => { await limiter.close() })
  return { limiter, clock }
})

t.test('two hundred thousand addresses are remembered up to the bound only, and forgotten when their window has passed', async (t) => {
  const clock = createTestClock(0)
  const limiter = createMemoryLimiter(SETTINGS, { now: clock.now, maxAddresses: 20_000 })
  for (let i = 0; i < 200_000; i++) void limiter.admit({ address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, lease: null })
  t.ok(limiter.size <= 20_000 && limiter.size >= 10_000, `${limiter.size} remembered`)
  clock.advance(10 * SETTINGS.addressWindowMs)
  await limiter.admit({ address: 'later', lease: null })
  t.equal(limiter.size, 1)
})

t.test('messages of two hundred thousand addresses leave no more than the bound', async (t) => {
  const clock = createTestClock(0)
  const limiter = createMemoryLimiter(SETTINGS, { now: clock.now, maxAddresses: 5000 })
  for (let i = 0; i < 200_000; i++) void limiter.takeGrant({ address: String(i), demand: 1, spare: 0 }, [])
  t.ok(limiter.size <= 5000 && limiter.size >= 2500, `${limiter.size} remembered`)
})

t.test('spent passes are remembered up to the bound only, and for as long as they live', async (t) => {
  const clock = createTestClock(0)
  const limiter = createMemoryLimiter({ ...SETTINGS, addressConnections: 1 }, { now: clock.now, maxPasses: 1000 })
  const attempt = (n: number) => ({ address: '192.0.2.1', resume: { nonce: `n${n}`, ttlMs: 60_000 }, lease: null })
  await limiter.admit({ address: '192.0.2.1', lease: null })
  for (let n = 0; n < 20_000; n++) await limiter.admit(attempt(n))
  t.ok(limiter.size <= 1001 && limiter.size >= 500, `${limiter.size} remembered`)
  t.notOk((await limiter.admit(attempt(19_999))).admitted)
  clock.advance(59_999)
  t.notOk((await limiter.admit(attempt(19_999))).admitted)
})

t.test('leases that lapse without being given back are forgotten', async (t) => {
  const clock = createTestClock(0)
  const limiter = createMemoryLimiter(SETTINGS, { now: clock.now })
  for (let i = 0; i < 10_000; i++) await limiter.admit({ address: null, lease: { owner: `u${i}`, connectionId: 'c' } })
  t.equal([...limiter.liveLeases()].length, 10_000)
  clock.advance(SETTINGS.leaseMs)
  t.equal([...limiter.liveLeases()].length, 0)
  for (let i = 0; i < 20_000; i++) await limiter.admit({ address: null, lease: { owner: 'v', connectionId: 'c' } })
  t.equal(limiter.size, 1)
})
