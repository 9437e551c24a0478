import fc from 'fast-check'
import t from 'tap'
import { GRANT_LAPSE_MS, GRANT_SETTLE_MS, LENT_AHEAD, type Admission, type Limiter, type LimitSettings } from '../../src/limits/limiter.js'
import { createMemoryLimiter } from '../../src/limits/memory/limiter.js'
import { createRedisLimiter } from '../../src/limits/redis/limiter.js'
import { startRedis } from '../support/redis.js'
import { createTestClock, runByClock, type TestClock } from './clocks.js'
import { HANG_MS } from '../support/until.js'

const settings: LimitSettings = {
  addressConnections: 3,
  addressWindowMs: 10_000,
  userConnections: 2,
  leaseMs: 5000,
  messages: 20,
  messageWindowMs: 10_000
}

const PASS_LIFE_MS = 5000
/** On Redis a pass's life passes by its own clock, which the test cannot set: there it is longer than any history takes. */
const LONGEST_PASS_LIFE_MS = 120_000

interface AdmitStep {
  readonly do: 'admit'
  readonly address: string | null
  readonly nonce: string | null
  readonly owner: string | null
  readonly connectionId: string
}
interface TakeStep { readonly do: 'take', readonly address: string, readonly demand: number, readonly spare: number, readonly ahead: number }
type Step =
  | AdmitStep
  | { readonly do: 'release', readonly owner: string, readonly connectionId: string }
  | { readonly do: 'vacate', readonly owner: string, readonly connectionId: string }
  | { readonly do: 'renew', readonly owner: string, readonly connectionId: string }
  | TakeStep
  | { readonly do: 'settle', readonly spentPart: number, readonly spentMs: readonly number[] }
  | { readonly do: 'wait', readonly ms: number }

interface Store {
  readonly passLifeMs: number
  /** One that other processes share. */
  readonly lendsAhead: boolean
}

interface Message { readonly address: string, at: number, readonly grant: number, readonly index: number }
interface Outstanding {
  readonly address: string
  readonly grant: number
  readonly granted: number
  readonly waited: number
  readonly madeAt: number
  readonly id: string
}

/** The rules, said as plainly as possible: lists of what happened, searched from end to end. */
function createModel (clock: TestClock, { passLifeMs, lendsAhead }: Store) {
  const attempts: Array<{ address: string, at: number }> = []
  let leases: Array<{ owner: string, connectionId: string, endsAt: number }> = []
  let messages: Message[] = []
  const dropLease = (owner: string, connectionId: string): void => {
    leases = leases.filter((lease) => lease.owner !== owner || lease.connectionId !== connectionId)
  }
  const renew = (owner: string, connectionId: string): void => {
    dropLease(owner, connectionId)
    leases.push({ owner, connectionId, endsAt: clock.now() + settings.leaseMs })
  }
  const passes: Array<{ address: string, nonce: string, endsAt: number }> = []
  const spend = (address: string, nonce: string | null): boolean => {
    if (nonce === null) return false
    if (passes.some((one) => one.address === address && one.nonce === nonce && one.endsAt > clock.now())) return false
    passes.push({ address, nonce, endsAt: clock.now() + passLifeMs })
    return true
  }
  const admit = ({ address, nonce, owner, connectionId }: AdmitStep): Admission => {
    const now = clock.now()
    if (address !== null && !spend(address, nonce)) {
      const counted = attempts.filter((one) => one.address === address && one.at > now - settings.addressWindowMs)
      const [oldest] = counted
      if (oldest !== undefined && counted.length >= settings.addressConnections) {
        return { admitted: false, limit: 'address', retryAfterMs: oldest.at + settings.addressWindowMs - now }
      }
      attempts.push({ address, at: now })
    }
    if (owner === null) return { admitted: true }
    const held = leases.filter((lease) => lease.owner === owner && lease.endsAt > now)
    const isHeld = held.some((lease) => lease.connectionId === connectionId)
    if (held.length >= settings.userConnections && !isHeld) return { admitted: false, limit: 'user', retryAfterMs: 5000 }
    renew(owner, connectionId)
    return { admitted: true }
  }
  const take = ({ address, demand, spare, ahead }: TakeStep, grant: number) => {
    const now = clock.now()
    const since = now - settings.messageWindowMs
    const counted = (): number[] => messages.filter((one) => one.address === address && one.at > since).map(({ at }) => at)
    const used = counted().length
    const left = settings.messages - used
    const waited = Math.min(demand, left)
    const rest = left - waited
    const lentAhead = lendsAhead && spare === 0 ? Math.max(0, Math.min(ahead, settings.messages / 2 - used - waited)) : 0
    const granted = waited + lentAhead + (rest < 4 ? 0 : Math.min(spare, Math.floor(rest / 2)))
    const endsAt = now + (lentAhead > 0 ? settings.messageWindowMs : GRANT_SETTLE_MS)
    for (let index = 0; index < granted; index++) messages.push({ address, grant, index, at: index < waited ? now : endsAt })
    if (waited === demand) return { granted, waited, retryAfterMs: 0, unsettledMs: 0, isHeldAhead: false }
    const retryAfterMs = Math.min(...counted()) + settings.messageWindowMs - now
    const unsettledMs = Math.max(0, Math.max(...counted()) - now)
    const isHeldAhead = unsettledMs > GRANT_SETTLE_MS
    return { granted, waited, retryAfterMs, unsettledMs: Math.min(GRANT_SETTLE_MS, unsettledMs), isHeldAhead }
  }
  const settle = (grant: Outstanding, spent: number, spentMs: readonly number[]): void => {
    messages = messages.filter((one) => one.grant !== grant.grant || one.index < Math.max(spent, grant.waited))
    for (const one of messages) {
      if (one.grant !== grant.grant || one.index < grant.waited) continue
      // A settlement changes nothing of what counts as spent earlier: nobody settles a grant after its time.
      one.at = Math.min(one.at, grant.madeAt + (spentMs[one.index - grant.waited] ?? spentMs.at(-1) ?? 0))
    }
  }
  return { admit, renew, release: dropLease, take, settle }
}

const address = fc.constantFrom('192.0.2.1', '192.0.2.2')
const owner = fc.constantFrom('alice', 'bob')
const connectionId = fc.constantFrom('a', 'b', 'c', 'd')
const nonce = fc.constantFrom('n1', 'n2', 'n3')
const admitStep = fc.record({
  do: fc.constant('admit' as const), address: fc.option(address), nonce: fc.option(nonce), owner: fc.option(owner), connectionId
})
const spentAtMs = fc.oneof(fc.integer({ min: 0, max: GRANT_LAPSE_MS }), fc.integer({ min: 0, max: 9500 }))
const spentMs = fc.array(spentAtMs, { minLength: 1, maxLength: LENT_AHEAD })
const takeStep = fc.record({
  do: fc.constant('take' as const),
  address,
  demand: fc.integer({ min: 1, max: 12 }),
  spare: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })),
  ahead: fc.constantFrom(0, LENT_AHEAD)
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: admitStep },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('release' as const, 'vacate' as const, 'renew' as const), owner, connectionId }) },
  { weight: 4, arbitrary: takeStep },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const), spentPart: fc.double({ min: 0, max: 1, noNaN: true }), spentMs }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 6000 })) }) }
)

/** Runs one history on both and returns the first difference. */
async function compare (limiter: Limiter, clock: TestClock, steps: readonly Step[], store: Store): Promise<string | null> {
  const model = createModel(clock, store)
  const outstanding: Outstanding[] = []
  let grants = 0
  for (const [i, one] of steps.entries()) {
    let expected: unknown
    let actual: unknown
    if (one.do === 'admit') {
      const lease = one.owner === null ? null : { owner: one.owner, connectionId: one.connectionId }
      const resume = one.nonce === null ? null : { nonce: one.nonce, ttlMs: Math.min(store.passLifeMs, LONGEST_PASS_LIFE_MS) }
      expected = model.admit(one)
      actual = await limiter.admit({ address: one.address, resume, lease })
    } else if (one.do === 'release') {
      model.release(one.owner, one.connectionId)
      limiter.release(one)
    } else if (one.do === 'vacate') {
      model.release(one.owner, one.connectionId)
      await limiter.vacate([one])
    } else if (one.do === 'renew') {
      // Give the release of an earlier step its place before the renewal, as time does in the gateway.
      await limiter.vacate([])
      model.renew(one.owner, one.connectionId)
      await limiter.renew([one])
    } else if (one.do === 'take') {
      const { waited, ...grant } = model.take(one, ++grants)
      const { id, granted, retryAfterMs, unsettledMs, isHeldAhead = false } = await limiter.takeGrant(one, [])
      outstanding.push({ address: one.address, grant: grants, granted, waited, madeAt: clock.now(), id })
      expected = grant
      actual = { granted, retryAfterMs, unsettledMs, isHeldAhead }
    } else if (one.do === 'settle') {
      const grant = outstanding.shift()
      if (grant === undefined) continue
      const spent = Math.max(grant.waited, Math.round(one.spentPart * grant.granted))
      // Nothing was spent later than it is settled: a settlement may reach Redis when more time has passed.
      const spentAt = one.spentMs.map(ms => Math.min(ms, clock.now() - grant.madeAt))
      const lastSpentMs = Math.max(...spentAt)
      const spentMs = store.lendsAhead ? spentAt : [lastSpentMs]
      model.settle(grant, spent, spentMs)
      limiter.settle([{ address: grant.address, id: grant.id, granted: grant.granted, spent, lastSpentMs, spentMs }])
    } else {
      clock.advance(one.ms)
    }
    if (JSON.stringify(expected) !== JSON.stringify(actual)) {
      return `step ${i}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`
    }
  }
  return null
}

t.test('the memory limiter does what the plain rules say, in any history', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
    const clock = createTestClock(0)
    const store = { passLifeMs: PASS_LIFE_MS, lendsAhead: false }
    const difference = await compare(createMemoryLimiter(settings, { now: clock.now }), clock, steps, store)
    if (difference !== null) throw new Error(difference)
  }), { numRuns: 300 })
  t.pass()
})

t.test('the limiter in Redis does what the plain rules say, in any history', async (t) => {
  const redis = await startRedis(t)
  let runs = 0
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
    const clock = createTestClock(1_800_000_000_000)
    const limiter = createRedisLimiter(runByClock(redis.client, clock), settings, { prefix: `${runs++}:`, callTimeoutMs: HANG_MS })
    const difference = await compare(limiter, clock, steps, { passLifeMs: Infinity, lendsAhead: true })
    await limiter.close()
    if (difference !== null) throw new Error(difference)
  }), { numRuns: 60 })
  t.pass()
})
