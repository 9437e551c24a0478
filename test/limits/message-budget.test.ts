import t, { type Test } from 'tap'
import {
  GRANT_LAPSE_MS, type Grant, type GrantRequest, type GrantSettlement, type Limiter, type LimitSettings
} from '../../src/limits/limiter.js'
import { createMemoryLimiter } from '../../src/limits/memory-limiter.js'
import { createMessageBudget, type MessageBudget } from '../../src/limits/message-budget.js'
import { createRedisLimiter } from '../../src/limits/redis-limiter.js'
import { startRedis, waitUntil } from '../support/redis.js'
import { createTestClock, type TestClock } from './clocks.js'
import { SETTINGS } from './limiter-conformance.js'

const ADDRESS = '192.0.2.1'

interface Watched {
  readonly budget: MessageBudget
  readonly clock: TestClock
  readonly asked: GrantRequest[]
  readonly settled: GrantSettlement[]
}

/** A budget on a memory limiter, with a record of what it asks for. */
function watchBudget (
  t: Test, settings: Partial<LimitSettings> = {}, change: (limiter: Limiter) => Partial<Limiter> = () => ({})
): Watched {
  const clock = createTestClock(0)
  const memory = createMemoryLimiter({ ...SETTINGS, ...settings }, { now: clock.now })
  const limiter: Limiter = { ...memory, ...change(memory) }
  const asked: GrantRequest[] = []
  const settled: GrantSettlement[] = []
  const budget = createMessageBudget({
    ...limiter,
    takeGrant: async (request, earlier) => {
      asked.push(request)
      settled.push(...earlier)
      return await limiter.takeGrant(request, earlier)
    },
    settle: (lapsed) => {
      settled.push(...lapsed)
      limiter.settle(lapsed)
    }
  }, { now: clock.now })
  t.teardown(() => { budget.close() })
  return { budget, clock, asked, settled }
}

/** What the gateway does with a frame. */
async function pass (budget: MessageBudget, address = ADDRESS): Promise<boolean> {
  return budget.spend(address) || (await budget.request(address)).granted
}

t.test('a burst of a hundred one by one passes in at most ten calls, and the next one is refused', async (t) => {
  const { budget, asked } = watchBudget(t)
  for (let i = 0; i < 100; i++) t.ok(await pass(budget))
  t.ok(asked.length <= 10, `${asked.length} calls`)
  t.notOk(await pass(budget))
  const calls = asked.length
  t.notOk(await pass(budget), 'it remembers')
  t.match(await budget.request(ADDRESS), { granted: false, retryAfterMs: 60_000 })
  t.equal(asked.length, calls, 'and asks nobody')
})

t.test('a long burst under a high limit needs less than one call for ten messages', async (t) => {
  const { budget, asked } = watchBudget(t, { messages: 1_000_000 })
  for (let i = 0; i < 5000; i++) t.ok(await pass(budget))
  t.ok(asked.length <= 30, `${asked.length} calls for 5000`)
})

t.test('who sends now and then takes one message at a time, and none is settled', async (t) => {
  const { budget, clock, asked, settled } = watchBudget(t)
  for (let i = 0; i < 6; i++) {
    t.ok(await pass(budget))
    clock.advance(3000)
    await waitUntil('no grant is outstanding', () => budget.size === 0)
  }
  t.same(asked.map(({ demand, spare }) => [demand, spare]), Array.from({ length: 6 }, () => [1, 0]))
  t.same(settled, [])
})

t.test('frames that wait are answered in order by one call at a time', async (t) => {
  let inFlight = 0
  const { budget, asked } = watchBudget(t, {}, (memory) => ({
    takeGrant: async (request, settled) => {
      t.equal(++inFlight, 1)
      await new Promise((resolve) => setImmediate(resolve))
      inFlight--
      return await memory.takeGrant(request, settled)
    }
  }))
  const order: number[] = []
  const frames = Array.from({ length: 120 }, async (_, i) => {
    const { granted } = await budget.request(ADDRESS)
    order.push(i)
    return granted
  })
  t.notOk(budget.spend(ADDRESS), 'nobody overtakes those who wait')
  const granted = await Promise.all(frames)
  t.same(order, order.toSorted((a, b) => a - b))
  t.same(granted, Array.from({ length: 120 }, (_, i) => i < 100))
  t.ok(asked.length <= 3, `${asked.length} calls`)
})

t.test('a grant is not spent after a second, and what is left of it goes back', async (t) => {
  const { budget, clock, settled } = watchBudget(t)
  for (let i = 0; i < 5; i++) await pass(budget)
  clock.advance(400)
  t.ok(budget.spend(ADDRESS))
  clock.advance(GRANT_LAPSE_MS - 401)
  t.ok(budget.spend(ADDRESS), 'until the last moment')
  clock.advance(1)
  t.notOk(budget.spend(ADDRESS))
  await waitUntil('no grant is outstanding', () => budget.size === 0)
  t.match(settled, [{ address: ADDRESS, granted: 17, spent: 6, lastSpentMs: 999 }])
  for (let i = 0; i < 93; i++) t.ok(await pass(budget), 'all that was not spent is there')
  t.notOk(await pass(budget))
})

t.test('no window ever passes more than the limit, whatever the rhythm', async (t) => {
  const { budget, clock } = watchBudget(t)
  const passedAt: number[] = []
  for (let i = 0; i < 3000; i++) {
    if (await pass(budget)) passedAt.push(clock.now())
    clock.advance(i % 200 < 120 ? 7 : 731)
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  let from = 0
  for (const [i, at] of passedAt.entries()) {
    while ((passedAt[from] ?? at) <= at - SETTINGS.messageWindowMs) from++
    if (i - from + 1 > SETTINGS.messages) t.fail(`${i - from + 1} in one window`)
  }
  t.ok(passedAt.length > 1000, `${passedAt.length} passed`)
})

t.test('a call that fails rejects the frames that wait for it, and the next frame asks again', async (t) => {
  let fail = true
  const { budget } = watchBudget(t, {}, (memory) => ({
    takeGrant: async (request, settled) => {
      if (fail) throw new Error('away')
      return await memory.takeGrant(request, settled)
    }
  }))
  await Promise.all([0, 1].map(async () => { await t.rejects(budget.request(ADDRESS), /away/) }))
  fail = false
  t.ok(await pass(budget))
})

t.test('too many waiting frames of one address are refused', async (t) => {
  const answers: Array<(grant: Grant) => void> = []
  const memory = createMemoryLimiter(SETTINGS, { now: () => 0 })
  const budget = createMessageBudget({
    ...memory, takeGrant: async () => await new Promise<Grant>((resolve) => { answers.push(resolve) })
  }, { now: () => 0, maxWaiting: 3 })
  t.teardown(() => { budget.close() })
  const waiting = [0, 1, 2].map(async () => await budget.request(ADDRESS))
  t.match(await budget.request(ADDRESS), { granted: false, retryAfterMs: 1000 })
  answers[0]?.({ id: 'x', granted: 1, retryAfterMs: 0 })
  await waitUntil('it asked for the others', () => answers.length === 2)
  answers[1]?.({ id: 'y', granted: 2, retryAfterMs: 0 })
  t.same(await Promise.all(waiting), Array(3).fill({ granted: true }))
})

t.test('a hundred thousand addresses leave nothing behind', async (t) => {
  const { budget, clock } = watchBudget(t)
  for (let i = 0; i < 100_000; i++) void budget.request(String(i))
  t.equal(budget.size, 100_000)
  clock.advance(GRANT_LAPSE_MS)
  await waitUntil('no grant is outstanding', () => budget.size === 0)
  t.equal(budget.size, 0)
})

t.test('closing gives back what is left and refuses what comes later', async (t) => {
  const { budget, settled } = watchBudget(t)
  for (let i = 0; i < 3; i++) await pass(budget)
  budget.close()
  t.match(settled.at(-1), { granted: 17, spent: 2 })
  t.notOk(await pass(budget))
})

t.test('two processes on one Redis pass exactly the limit, with few calls', async (t) => {
  const redis = await startRedis(t)
  const now = (): number => performance.now()
  const limiters = [0, 1].map(() => createRedisLimiter(redis.client, SETTINGS, { prefix: '' }))
  const budgets = limiters.map((limiter) => createMessageBudget(limiter, { now }))
  const results = await Promise.all(budgets.map(async (budget) => {
    let passed = 0
    for (let i = 0; i < 100; i++) if (await pass(budget)) passed++
    return passed
  }))
  const [one = 0, other = 0] = results
  t.ok(one + other <= 100 && one + other >= 60, `${one} + ${other}`)
  for (const budget of budgets) budget.close()
  await Promise.all(limiters.map(async (limiter) => { await limiter.close() }))
  t.equal(await redis.client.zcard(`ws:ratelimit:msg:${ADDRESS}`), one + other, 'what neither could spend went back')
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1]
  t.ok(Number(calls) <= 30, `${calls} calls`)
})
