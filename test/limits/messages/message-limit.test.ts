import t, { type Test } from 'tap'
import {
  GRANT_LAPSE_MS, GRANT_SETTLE_MS, type Grant, type GrantRequest, type GrantSettlement, type Limiter, type LimitSettings
} from '../../../src/limits/limiter.js'
import { createMemoryLimiter } from '../../../src/limits/memory/limiter.js'
import type { Passage } from '../../../src/limits/messages/address-grants.js'
import { createMessageLimit, type MessageLimit } from '../../../src/limits/messages/message-limit.js'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import { startRedis } from '../../support/redis.js'
import { HANG_MS, until } from '../../support/until.js'
import { createTestClock, runByClock, type TestClock } from '../clocks.js'
import { SETTINGS } from '../limiter-conformance.js'

const ADDRESS = '192.0.2.1'

interface Watched {
  readonly messageLimit: MessageLimit
  readonly clock: TestClock
  readonly asked: GrantRequest[]
  readonly settled: GrantSettlement[]
}

/** A message limit on a memory limiter, with a record of what it asks for. */
function watchLimit (
  t: Test, settings: Partial<LimitSettings> = {}, change: (limiter: Limiter) => Partial<Limiter> = () => ({})
): Watched {
  const clock = createTestClock(0)
  const memory = createMemoryLimiter({ ...SETTINGS, ...settings }, { now: clock.now })
  const limiter: Limiter = { ...memory, ...change(memory) }
  const asked: GrantRequest[] = []
  const settled: GrantSettlement[] = []
  const messageLimit = createMessageLimit({
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
  t.teardown(() => { messageLimit.close() })
  return { messageLimit, clock, asked, settled }
}

/** What the gateway does with a frame. */
async function pass (messageLimit: MessageLimit, address = ADDRESS): Promise<boolean> {
  return messageLimit.spend(address) || (await messageLimit.request(address)).granted
}

/** How many of `count` messages one after the other pass. */
async function countPassed (messageLimit: MessageLimit, count: number): Promise<number> {
  let passed = 0
  for (let i = 0; i < count; i++) if (await pass(messageLimit)) passed++
  return passed
}

t.test('a burst of a hundred one by one passes in at most ten calls, and the next one is refused', async (t) => {
  const { messageLimit, asked } = watchLimit(t)
  t.equal(await countPassed(messageLimit, 100), 100)
  t.ok(asked.length <= 10, `${asked.length} calls`)
  t.notOk(await pass(messageLimit))
  const calls = asked.length
  t.notOk(await pass(messageLimit), 'it remembers')
  t.match(await messageLimit.request(ADDRESS), { granted: false, retryAfterMs: 60_000 })
  t.equal(asked.length, calls, 'and asks nobody')
})

t.test('a long burst under a high limit needs less than one call for ten messages', async (t) => {
  const { messageLimit, asked } = watchLimit(t, { messages: 1_000_000 })
  t.equal(await countPassed(messageLimit, 5000), 5000)
  t.ok(asked.length <= 30, `${asked.length} calls for 5000`)
})

t.test('who sends now and then takes one message at a time, and none is settled', async (t) => {
  const { messageLimit, clock, asked, settled } = watchLimit(t)
  for (let i = 0; i < 6; i++) {
    t.ok(await pass(messageLimit))
    clock.advance(3000)
    await until('no grant is outstanding', () => messageLimit.size === 0)
  }
  t.same(asked.map(({ demand, spare }) => [demand, spare]), Array.from({ length: 6 }, () => [1, 0]))
  t.same(settled, [])
})

t.test('frames that wait are answered in order by one call at a time', async (t) => {
  let inFlight = 0
  const { messageLimit, asked } = watchLimit(t, {}, (memory) => ({
    takeGrant: async (request, settled) => {
      t.equal(++inFlight, 1)
      await new Promise((resolve) => setImmediate(resolve))
      inFlight--
      return await memory.takeGrant(request, settled)
    }
  }))
  const order: number[] = []
  const frames = Array.from({ length: 120 }, async (_, i) => {
    const { granted } = await messageLimit.request(ADDRESS)
    order.push(i)
    return granted
  })
  t.notOk(messageLimit.spend(ADDRESS), 'nobody overtakes those who wait')
  const granted = await Promise.all(frames)
  t.same(order, order.toSorted((a, b) => a - b))
  t.same(granted, Array.from({ length: 120 }, (_, i) => i < 100))
  t.ok(asked.length <= 3, `${asked.length} calls`)
})

t.test('a grant is not spent after a second, and what is left of it goes back', async (t) => {
  const { messageLimit, clock, settled } = watchLimit(t)
  for (let i = 0; i < 5; i++) await pass(messageLimit)
  clock.advance(400)
  t.ok(messageLimit.spend(ADDRESS))
  clock.advance(GRANT_LAPSE_MS - 401)
  t.ok(messageLimit.spend(ADDRESS), 'until the last moment')
  clock.advance(1)
  t.notOk(messageLimit.spend(ADDRESS))
  await until('no grant is outstanding', () => messageLimit.size === 0)
  t.match(settled, [{ address: ADDRESS, granted: 17, spent: 6, lastSpentMs: 999 }])
  t.equal(await countPassed(messageLimit, 93), 93, 'all that was not spent is there')
  t.notOk(await pass(messageLimit))
})

t.test('no window ever passes more than the limit, whatever the rhythm', async (t) => {
  const { messageLimit, clock } = watchLimit(t)
  const passedAt: number[] = []
  for (let i = 0; i < 3000; i++) {
    if (await pass(messageLimit)) passedAt.push(clock.now())
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
  const { messageLimit } = watchLimit(t, {}, (memory) => ({
    takeGrant: async (request, settled) => {
      if (fail) throw new Error('away')
      return await memory.takeGrant(request, settled)
    }
  }))
  await Promise.all([0, 1].map(async () => { await t.rejects(messageLimit.request(ADDRESS), /away/) }))
  fail = false
  t.ok(await pass(messageLimit))
})

t.test('too many waiting frames of one address are refused', async (t) => {
  const answers: Array<(grant: Grant) => void> = []
  const memory = createMemoryLimiter(SETTINGS, { now: () => 0 })
  const messageLimit = createMessageLimit({
    ...memory, takeGrant: async () => await new Promise<Grant>((resolve) => { answers.push(resolve) })
  }, { now: () => 0, maxWaiting: 3 })
  t.teardown(() => { messageLimit.close() })
  const waiting = [0, 1, 2].map(async () => await messageLimit.request(ADDRESS))
  t.match(await messageLimit.request(ADDRESS), { granted: false, retryAfterMs: 1000 })
  answers[0]?.({ id: 'x', granted: 1, retryAfterMs: 0, unsettledMs: 0 })
  await until('it asked for the others', () => answers.length === 2)
  answers[1]?.({ id: 'y', granted: 2, retryAfterMs: 0, unsettledMs: 0 })
  t.same(await Promise.all(waiting), Array(3).fill({ granted: true }))
})

t.test('a hundred thousand addresses leave nothing behind', async (t) => {
  const { messageLimit, clock } = watchLimit(t)
  for (let i = 0; i < 100_000; i++) void messageLimit.request(String(i))
  t.equal(messageLimit.size, 100_000)
  clock.advance(GRANT_LAPSE_MS)
  await until('no grant is outstanding', () => messageLimit.size === 0)
  t.equal(messageLimit.size, 0)
})

t.test('closing gives back what is left and refuses what comes later', async (t) => {
  const { messageLimit, settled } = watchLimit(t)
  for (let i = 0; i < 3; i++) await pass(messageLimit)
  messageLimit.close()
  t.match(settled.at(-1), { granted: 17, spent: 2 })
  t.notOk(await pass(messageLimit))
})

t.test('two processes on one Redis pass exactly the limit, with few calls', async (t) => {
  const redis = await startRedis(t)
  const now = (): number => performance.now()
  const limiters = [0, 1].map(() => createRedisLimiter(redis.client, SETTINGS, { prefix: '', callTimeoutMs: HANG_MS }))
  const messageLimits = limiters.map((limiter) => createMessageLimit(limiter, { now }))
  const results = await Promise.all(messageLimits.map(async (messageLimit) => await countPassed(messageLimit, 100)))
  const [one = 0, other = 0] = results
  t.equal(one + other, 100, `${one} + ${other}`)
  for (const messageLimit of messageLimits) messageLimit.close()
  await Promise.all(limiters.map(async (limiter) => { await limiter.close() }))
  t.equal(await redis.client.zcard(`ws:ratelimit:msg:${ADDRESS}`), one + other, 'what neither could spend went back')
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1]
  t.ok(Number(calls) <= 30, `${calls} calls`)
})

interface Two {
  readonly messageLimits: readonly [MessageLimit, MessageLimit]
  /** Script calls that Redis has run for both. */
  calls (): Promise<number>
}

/** Two processes that share the window of one address in Redis. */
async function startTwo (t: Test, settings: Partial<LimitSettings>): Promise<Two> {
  const redis = await startRedis(t)
  const start = (): MessageLimit => {
    const limiter = createRedisLimiter(redis.client, { ...SETTINGS, ...settings }, { prefix: '', callTimeoutMs: HANG_MS })
    const messageLimit = createMessageLimit(limiter, { now: () => performance.now() })
    t.teardown(async () => {
      messageLimit.close()
      await limiter.close()
    })
    return messageLimit
  }
  return {
    messageLimits: [start(), start()],
    calls: async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0)
  }
}

for (const [kind, messages] of [['exact', 100], ['counted', 1500]] as const) {
  t.test(`in a window that is ${kind}, nobody is refused for what another process holds and has not spent`, async (t) => {
    const { messageLimits: [holder, other], calls } = await startTwo(t, { messages })
    const spent = messages * 0.6
    t.equal(await countPassed(holder, spent), spent)
    const before = await calls()
    const answers: Array<[number, boolean]> = []
    const askedAt = performance.now()
    await Promise.all(Array.from({ length: messages - spent + 1 }, async (_, i) => {
      answers.push([i, (await other.request(ADDRESS)).granted])
    }))
    t.same(answers.map(([i]) => i), answers.map((_, i) => i), 'in order')
    t.same(answers.map(([, granted]) => granted), answers.map((_, i) => i < messages - spent), 'exactly the limit')
    const waitedMs = performance.now() - askedAt
    t.ok(waitedMs > 250, `it had to wait: ${waitedMs} ms`)
    t.ok(await calls() - before <= 6, `${await calls() - before} calls, of which one settles`)
    const earlier = await calls()
    t.notOk(await pass(holder), 'and the holder has nothing left')
    t.ok(await calls() - earlier <= 1, 'which it learns at once: who waits asks again')
  })
}

t.test('a burst over the limit of a one-second window is refused at once', async (t) => {
  const redis = await startRedis(t)
  for (const messages of [100, 1500]) {
    // By a clock that stands still: neither a grant can lapse nor the window pass, so who waited would wait for ever.
    const clock = createTestClock(1_800_000_000_000)
    const settings = { ...SETTINGS, messages, messageWindowMs: 1000 }
    const limiter = createRedisLimiter(runByClock(redis.client, clock), settings, { prefix: `${messages}:`, callTimeoutMs: HANG_MS })
    const messageLimit = createMessageLimit(limiter, { now: clock.now })
    const answers = await Promise.all(Array.from({ length: messages + 1 }, async () => await messageLimit.request(ADDRESS)))
    t.equal(answers.filter(({ granted }) => granted).length, messages)
    t.match(answers.at(-1), { granted: false, retryAfterMs: Number })
    messageLimit.close()
    await limiter.close()
  }
})

t.test('frames wait at most the time of a settlement, each its own, for a grant that never comes back', async (t) => {
  let lent = true
  const { messageLimit, clock, asked } = watchLimit(t, {}, () => ({
    takeGrant: async () => ({ id: 'x', granted: 0, retryAfterMs: 50_000, unsettledMs: lent ? GRANT_SETTLE_MS : 0 })
  }))
  const answers: Passage[] = []
  const ask = (): void => { void messageLimit.request(ADDRESS).then((answer) => answers.push(answer)) }
  ask()
  await until('it has asked', () => asked.length === 1)
  clock.advance(GRANT_LAPSE_MS - 1)
  ask()
  t.notOk(messageLimit.spend(ADDRESS))
  clock.advance(1)
  await until('it asks again once the grant has lapsed', () => asked.length === 2)
  clock.advance(GRANT_SETTLE_MS - GRANT_LAPSE_MS)
  await until('the first is answered', () => answers.length > 0)
  t.same(answers, [{ granted: false, retryAfterMs: GRANT_SETTLE_MS }], 'and only the first')
  lent = false
  clock.advance(GRANT_LAPSE_MS)
  await until('the second is answered', () => answers.length > 1)
  t.same(answers.at(-1), { granted: false, retryAfterMs: 50_000 }, 'when all is spent the answer is the time of the window')
  const calls = asked.length
  t.match(await messageLimit.request(ADDRESS), { granted: false, retryAfterMs: 50_000 })
  t.equal(asked.length, calls, 'only then it remembers')
  t.same(asked.slice(1).map(({ spare }) => spare), Array(calls - 1).fill(0), 'who has waited takes nothing along')
})

t.test('closing answers the frames that wait for another process to settle', async (t) => {
  const { messageLimit } = watchLimit(t, {}, () => ({
    takeGrant: async () => ({ id: 'x', granted: 0, retryAfterMs: 60_000, unsettledMs: 1500 })
  }))
  const waiting = [0, 1].map(async () => await messageLimit.request(ADDRESS))
  await new Promise((resolve) => setImmediate(resolve))
  messageLimit.close()
  t.same(await Promise.all(waiting), Array(2).fill({ granted: false, retryAfterMs: 1000 }))
})
