import t, { type Test } from 'tap'
import { GRANT_SETTLE_MS, LENT_AHEAD, type GrantRequest, type LimitSettings } from '../../../src/limits/limiter.js'
import { createMessageLimit, type MessageLimit } from '../../../src/limits/messages/message-limit.js'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import { startRedis } from '../../support/redis.js'
import { HANG_MS, until } from '../../support/until.js'
import { createTestClock, runByClock, type TestClock } from '../clocks.js'
import { SETTINGS } from '../limiter-conformance.js'

// What is lent ahead to who sends now and then, over several processes on one Redis.
const ADDRESS = '192.0.2.1'
const WINDOW_MS = SETTINGS.messageWindowMs
const redis = await startRedis(t)
let prefixes = 0

interface Fleet {
  readonly processes: readonly MessageLimit[]
  readonly clock: TestClock
  /** Processes that do not hear when others wait. */
  readonly deaf: Set<MessageLimit>
  /** How many script calls there were since this was asked last. */
  calls (): number
}

/** Processes on one Redis and one clock that stands still by itself; each hears when another waits. */
function startFleet (t: Test, count: number, settings: Partial<LimitSettings> = {}): Fleet {
  const clock = createTestClock(1_800_000_000_000)
  const byClock = runByClock(redis.client, clock)
  const prefix = `t${prefixes++}:`
  const deaf = new Set<MessageLimit>()
  let calls = 0
  const processes = Array.from({ length: count }, () => {
    const client = { ...byClock, eval: async (...call: Parameters<typeof byClock.eval>) => { calls++; return await byClock.eval(...call) } }
    const limiter = createRedisLimiter(client, { ...SETTINGS, ...settings }, { prefix, callTimeoutMs: HANG_MS })
    const onWaiting = (address: string): void => {
      for (const one of processes) if (!deaf.has(one)) one.giveBack([address])
    }
    const messageLimit: MessageLimit = createMessageLimit(limiter, { now: clock.now, onWaiting })
    t.teardown(async () => {
      messageLimit.close()
      await limiter.close()
    })
    return messageLimit
  })
  return {
    processes,
    clock,
    deaf,
    calls () {
      const counted = calls
      calls = 0
      return counted
    }
  }
}

async function pass (messageLimit: MessageLimit | undefined): Promise<boolean> {
  return messageLimit !== undefined && (messageLimit.spend(ADDRESS) || (await messageLimit.request(ADDRESS)).granted)
}

/** How many pass, one after the other, until one is refused. */
async function countUntilRefused (messageLimit: MessageLimit | undefined): Promise<number> {
  let passed = 0
  while (passed < 10_000 && await pass(messageLimit)) passed++
  return passed
}

/** A number from 0 to 1, the same each time. */
function createRandom (seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

t.test('who sends one message each three to ten seconds costs at most 0.3 calls a message', async (t) => {
  const random = createRandom(1)
  for (const [rhythm, nextMs] of [['3 s', () => 3000], ['10 s', () => 10_000], ['any of them', () => 3000 + 7000 * random()]] as const) {
    const { processes: [one], clock, calls } = startFleet(t, 1)
    const endsAtMs = clock.now() + 60_000
    let sent = 0
    while (clock.now() <= endsAtMs) {
      sent++
      t.ok(await pass(one))
      clock.advance(Math.round(nextMs()))
    }
    const called = calls()
    t.ok(called <= 0.3 * sent, `${rhythm}: ${called} calls for ${sent}`)
  }
})

t.test('processes that were lent ahead let through exactly the limit together, in every window', async (t) => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = createRandom(seed)
    const { processes, clock } = startFleet(t, 3, { messages: 40 })
    const passedAt: number[] = []
    const note = (count: number): void => { for (let i = 0; i < count; i++) passedAt.push(clock.now()) }
    // All within the time of one grant: sweeps go by the real clock, and would have settled it.
    for (let sent = 0; sent < 10; sent++) {
      t.ok(await pass(processes[Math.floor(random() * processes.length)]))
      note(1)
      clock.advance(Math.round(3000 + 2500 * random()))
    }
    for (const one of processes) note(await countUntilRefused(one))
    // As each leaves, one more may come, and no more.
    for (const at of passedAt.filter(passed => passed > clock.now() - WINDOW_MS && passed < clock.now())) {
      clock.advance(at + WINDOW_MS - 1 - clock.now())
      const early = await countUntilRefused(processes[0])
      clock.advance(1)
      const inTime = await countUntilRefused(processes[1])
      t.same([early, inTime], [0, 1], `seed ${seed}: the one of ${at}`)
      note(inTime)
    }
    const most = Math.max(...passedAt.map(from => passedAt.filter(at => at >= from && at < from + WINDOW_MS).length))
    t.equal(most, 40, `seed ${seed}`)
  }
})

t.test('two processes whose messages come alone, and then all at once, let through exactly a hundred by Redis\'s own clock', async (t) => {
  const limiters = [0, 1].map(() => createRedisLimiter(redis.client, SETTINGS, { prefix: 'own:', callTimeoutMs: HANG_MS }))
  const processes: MessageLimit[] = limiters.map(limiter => createMessageLimit(limiter, {
    now: () => performance.now(), onWaiting: (address) => { for (const one of processes) one.giveBack([address]) }
  }))
  for (const one of processes) t.ok(await pass(one))
  const passed = await Promise.all(processes.map(countUntilRefused))
  t.equal(2 + passed.reduce((sum, count) => sum + count), 100, passed.join(' + '))
  for (const [i, one] of processes.entries()) {
    one.close()
    await limiters[i]?.close()
  }
})

t.test('what a process that does not answer was lent counts as spent: frames wait for it as long as for a settlement, then they are refused', async (t) => {
  const { processes: [holder, other], clock, deaf } = startFleet(t, 2)
  t.ok(holder !== undefined && await pass(holder))
  if (holder !== undefined) deaf.add(holder)
  let passed = 0
  while (passed < 100 - 1 - LENT_AHEAD) passed += await pass(other) ? 1 : 0
  let answer: unknown = null
  void other?.request(ADDRESS).then((passage) => { answer = passage })
  await until('it is refused', () => {
    if (answer === null) clock.advance(50)
    return answer !== null
  })
  t.match(answer, { granted: false, retryAfterMs: Number })
  clock.advance(2 * WINDOW_MS)
  t.equal(await countUntilRefused(other), 100, 'a window after the grant has lapsed all is forgotten')
})

t.test('a process that closes gives back what it was lent ahead', async (t) => {
  const { processes: [one, other], calls } = startFleet(t, 2)
  t.ok(await pass(one))
  one?.close()
  t.equal(await countUntilRefused(other), 99)
  t.ok(calls() <= 20)
})

t.test('a grant lent ahead that nobody asks for is settled as it lapses, and its address forgotten', async (t) => {
  const { processes: [one, other], clock } = startFleet(t, 2)
  t.ok(await pass(one))
  clock.advance(WINDOW_MS - GRANT_SETTLE_MS)
  t.ok(one?.spend(ADDRESS))
  t.equal(one?.size, 1)
  clock.advance(GRANT_SETTLE_MS)
  t.notOk(one?.spend(ADDRESS), 'not spent later')
  await until('it is forgotten', () => one?.size === 0)
  await until('it is settled', async () => await redis.client.zcard(`t${prefixes - 1}:ws:ratelimit:msg:${ADDRESS}`) === 2)
  t.equal(await countUntilRefused(other), 99, 'the first has left the window')
})

t.test('who sends less often than once in a window is lent ahead only until that is known, and again once messages come closer', async (t) => {
  const { processes: [one], clock, calls } = startFleet(t, 1)
  const sendEach = async (everyMs: number, count: number): Promise<number> => {
    for (let sent = 0; sent < count; sent++) {
      t.ok(await pass(one))
      clock.advance(everyMs)
      if (everyMs > WINDOW_MS) await until('no grant is outstanding', () => one?.size === 0)
    }
    return calls()
  }
  t.equal(await sendEach(70_000, 1), 2, 'one settles')
  t.equal(await sendEach(70_000, 3), 3)
  t.equal(await sendEach(10_000, 7), 3)
})

t.test('nothing is lent ahead beyond half of the window, in a short window, or where it counts in sub-windows', async (t) => {
  const ask = { address: ADDRESS, demand: 1, spare: 0, ahead: LENT_AHEAD }
  const grantedOf = async (settings: Partial<LimitSettings>, requests: readonly GrantRequest[]): Promise<number[]> => {
    const limiter = createRedisLimiter(redis.client, { ...SETTINGS, ...settings }, { prefix: `t${prefixes++}:`, callTimeoutMs: HANG_MS })
    const sizes: number[] = []
    for (const request of requests) sizes.push((await limiter.takeGrant(request, [])).granted)
    await limiter.close()
    return sizes
  }
  t.same(await grantedOf({ messages: 20 }, [ask, ask, ask, ask]), [5, 5, 1, 1])
  t.same(await grantedOf({ messages: 7 }, [ask, ask]), [3, 1])
  t.same(await grantedOf({}, [{ ...ask, demand: 47 }, ask]), [50, 1])
  t.same(await grantedOf({ messageWindowMs: 9999 }, [ask]), [1])
  t.same(await grantedOf({ messages: 1001 }, [ask]), [1])
  t.same(await grantedOf({}, [{ ...ask, spare: 16 }]), [17], 'nor beside spare ones')
})
