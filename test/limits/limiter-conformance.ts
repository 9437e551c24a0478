import type { Test } from 'tap'
import { GRANT_SETTLE_MS, type Admission, type Limiter, type LimitSettings } from '../../src/limits/limiter.js'
import type { TestClock } from './clocks.js'
import { testTickets } from './ticket-conformance.js'

export const SETTINGS: LimitSettings = {
  addressConnections: 10,
  addressWindowMs: 60_000,
  userConnections: 5,
  leaseMs: 30_000,
  messages: 100,
  messageWindowMs: 60_000
}

export interface Subject {
  readonly limiter: Limiter
  readonly clock: TestClock
}

/** Makes a limiter with an empty store; the store and the limiter end with the test. */
export type MakeSubject = (t: Test, settings: LimitSettings) => Promise<Subject>

const ADDRESS = '192.0.2.1'
const attempt = { address: ADDRESS, lease: null }
const leaseOf = (userId: string, connectionId: string) => ({ address: null, lease: { userId, connectionId } })

async function countAdmitted (answers: ReadonlyArray<Promise<Admission>>): Promise<number> {
  return (await Promise.all(answers)).filter(({ admitted }) => admitted).length
}

function retryOf (admission: Admission): number {
  return admission.admitted ? 0 : admission.retryAfterMs
}

/** What every limiter does, whatever keeps its counts. */
export function testLimiter (t: Test, make: MakeSubject): void {
  testAddresses(t, make)
  testHighAddressLimits(t, make)
  testSubWindowEdges(t, make)
  testUsers(t, make)
  testVacating(t, make)
  testTickets(t, make, SETTINGS)
  testGrants(t, make)
}

function testAddresses (t: Test, make: MakeSubject): void {
  t.test('ten attempts of an address pass, the eleventh does not, and one more does as the oldest leaves', async (t) => {
    const { limiter, clock } = await make(t, SETTINGS)
    t.same(await limiter.admit(attempt), { admitted: true })
    clock.advance(1000)
    t.equal(await countAdmitted(Array.from({ length: 9 }, async () => await limiter.admit(attempt))), 9)
    t.same(await limiter.admit(attempt), { admitted: false, limit: 'address', retryAfterMs: 59_000 })
    t.same(await limiter.admit({ ...attempt, address: '192.0.2.2' }), { admitted: true }, 'another address is not concerned')
    clock.advance(58_999)
    t.equal(retryOf(await limiter.admit(attempt)), 1, 'a refused attempt has not counted')
    clock.advance(1)
    t.same(await limiter.admit(attempt), { admitted: true })
    t.equal(retryOf(await limiter.admit(attempt)), 1000)
  })

  t.test('no window sees a double burst over its edge', async (t) => {
    const { limiter, clock } = await make(t, SETTINGS)
    const admittedAt: number[] = []
    for (let i = 0; i < 400; i++) {
      if ((await limiter.admit(attempt)).admitted) admittedAt.push(clock.now())
      clock.advance(i % 60 < 30 ? 10 : 1990)
    }
    for (const start of admittedAt) {
      const inWindow = admittedAt.filter((at) => at >= start && at < start + SETTINGS.addressWindowMs).length
      t.ok(inWindow <= 10, `${inWindow} in one window`)
    }
    t.ok(admittedAt.length > 50, 'and what leaves makes room')
  })

  t.test('eleven attempts in one tick are ten and a refusal', async (t) => {
    const { limiter } = await make(t, SETTINGS)
    const answers = Array.from({ length: 11 }, async () => await limiter.admit(attempt))
    t.equal(await countAdmitted(answers), 10)
    t.equal((await answers[10])?.admitted, false, 'the last one is refused')
  })

  t.test('an attempt that asks for nothing passes', async (t) => {
    const { limiter } = await make(t, SETTINGS)
    t.same(await limiter.admit({ address: null, lease: null }), { admitted: true })
  })
}

function testHighAddressLimits (t: Test, make: MakeSubject): void {
  t.test('a limit above 1000 is never exceeded in any window and opens when it says', async (t) => {
    const { limiter, clock } = await make(t, { ...SETTINGS, addressConnections: 1200, addressWindowMs: 6000 })
    const admittedAt: number[] = []
    for (let i = 0; i < 60; i++) {
      const admitted = await countAdmitted(Array.from({ length: 70 }, async () => await limiter.admit(attempt)))
      admittedAt.push(...Array<number>(admitted).fill(clock.now()))
      clock.advance(170)
    }
    for (const start of new Set(admittedAt)) {
      const inWindow = admittedAt.filter((at) => at >= start && at < start + 6000).length
      t.ok(inWindow <= 1200, `${inWindow} in one window`)
    }
    t.ok(admittedAt.length > 1800, `${admittedAt.length} in 10 s`)
    const fill = async (): Promise<Admission> => {
      const answer = await limiter.admit(attempt)
      return answer.admitted ? await fill() : answer
    }
    clock.advance(retryOf(await fill()) - 1)
    t.notOk((await limiter.admit(attempt)).admitted, 'not a moment before the time stated')
    clock.advance(1)
    t.ok((await limiter.admit(attempt)).admitted)
  })
}

function testSubWindowEdges (t: Test, make: MakeSubject): void {
  t.test('a full window above 1000 lets nothing through before it has passed, wherever in a sub-window it began', async (t) => {
    const { limiter, clock } = await make(t, { ...SETTINGS, addressConnections: 1001, addressWindowMs: 6000 })
    for (const offsetMs of [0, 25, 50, 75, 100]) {
      clock.advance(offsetMs)
      const late = { address: `198.51.100.${offsetMs}`, lease: null }
      t.equal(await countAdmitted(Array.from({ length: 1100 }, async () => await limiter.admit(late))), 1001)
      clock.advance(5999)
      t.notOk((await limiter.admit(late)).admitted)
    }
  })
}

function testUsers (t: Test, make: MakeSubject): void {
  t.test('a user gets five slots, and a sixth when one is given back', async (t) => {
    const { limiter } = await make(t, SETTINGS)
    t.equal(await countAdmitted(Array.from({ length: 100 }, async (_, i) => await limiter.admit(leaseOf('alice', `c${i}`)))), 5)
    t.same(await limiter.admit(leaseOf('alice', 'late')), { admitted: false, limit: 'user', retryAfterMs: 5000 })
    t.ok((await limiter.admit(leaseOf('bob', 'b1'))).admitted)
    limiter.release({ userId: 'alice', connectionId: 'c0' })
    t.ok((await limiter.admit(leaseOf('alice', 'c5'))).admitted, 'released in the same tick, and first')
    t.notOk((await limiter.admit(leaseOf('alice', 'c6'))).admitted)
  })

  t.test('giving back twice, or what was never taken, gives back once', async (t) => {
    const { limiter } = await make(t, SETTINGS)
    await countAdmitted(['a', 'b', 'c', 'd', 'e'].map(async (id) => await limiter.admit(leaseOf('alice', id))))
    for (const id of ['a', 'a', 'never']) limiter.release({ userId: 'alice', connectionId: id })
    t.ok((await limiter.admit(leaseOf('alice', 'f'))).admitted)
    t.notOk((await limiter.admit(leaseOf('alice', 'g'))).admitted)
  })

  t.test('the same connection twice holds one lease', async (t) => {
    const { limiter } = await make(t, SETTINGS)
    for (let i = 0; i < 7; i++) t.ok((await limiter.admit(leaseOf('alice', 'same'))).admitted)
    t.equal(await countAdmitted(['b', 'c', 'd', 'e', 'f'].map(async (id) => await limiter.admit(leaseOf('alice', id)))), 4)
  })

  t.test('a lease lapses by itself, and lives on while it is renewed', async (t) => {
    const { limiter, clock } = await make(t, { ...SETTINGS, userConnections: 2 })
    await countAdmitted(['kept', 'dead'].map(async (id) => await limiter.admit(leaseOf('alice', id))))
    for (let i = 0; i < 3; i++) {
      clock.advance(SETTINGS.leaseMs - 1)
      await limiter.renew([{ userId: 'alice', connectionId: 'kept' }])
    }
    t.ok((await limiter.admit(leaseOf('alice', 'new'))).admitted, 'the slot of the dead one is free')
    t.notOk((await limiter.admit(leaseOf('alice', 'another'))).admitted, 'a socket older than a lease still counts')
  })

  t.test('renewing registers again a lease that the store has lost, also over the limit', async (t) => {
    const { limiter } = await make(t, { ...SETTINGS, userConnections: 2 })
    await limiter.renew(['a', 'b', 'c'].map((connectionId) => ({ userId: 'alice', connectionId })))
    t.notOk((await limiter.admit(leaseOf('alice', 'd'))).admitted)
  })

  t.test('the address decides first: its refusal takes no lease, and a refused lease leaves its count', async (t) => {
    const { limiter } = await make(t, { ...SETTINGS, addressConnections: 3, userConnections: 1 })
    const both = (connectionId: string) => ({ address: ADDRESS, lease: { userId: 'alice', connectionId } })
    t.same(await limiter.admit(both('a')), { admitted: true })
    t.match(await limiter.admit(both('b')), { admitted: false, limit: 'user' })
    t.match(await limiter.admit(both('c')), { admitted: false, limit: 'user' })
    limiter.release({ userId: 'alice', connectionId: 'a' })
    t.match(await limiter.admit(both('d')), { admitted: false, limit: 'address' })
    t.ok((await limiter.admit(leaseOf('alice', 'e'))).admitted)
  })
}

function testVacating (t: Test, make: MakeSubject): void {
  const alice = (connectionId: string) => ({ userId: 'alice', connectionId })

  t.test('slots that were vacated are free, and giving them back later frees no other', async (t) => {
    const { limiter } = await make(t, { ...SETTINGS, userConnections: 2 })
    for (const id of ['a', 'b']) await limiter.admit(leaseOf('alice', id))
    await limiter.vacate([alice('a'), alice('b'), alice('never')])
    for (const id of ['c', 'd']) t.ok((await limiter.admit(leaseOf('alice', id))).admitted)
    for (const id of ['a', 'b']) limiter.release(alice(id))
    t.notOk((await limiter.admit(leaseOf('alice', 'e'))).admitted)
  })

  t.test('nothing under way puts a vacated lease back', async (t) => {
    const { limiter } = await make(t, { ...SETTINGS, userConnections: 3 })
    await limiter.admit(leaseOf('alice', 'a'))
    const underWay = [limiter.renew([alice('a')]), limiter.admit(leaseOf('alice', 'b'))]
    await new Promise((resolve) => setImmediate(resolve))
    underWay.push(limiter.renew([alice('b')]), limiter.admit(leaseOf('alice', 'c')))
    await limiter.vacate(['a', 'b', 'c'].map(alice))
    await Promise.all(underWay)
    t.equal(await countAdmitted(['d', 'e', 'f', 'g'].map(async (id) => await limiter.admit(leaseOf('alice', id)))), 3)
  })

  t.test('nothing under way puts back for good what was released', async (t) => {
    const { limiter } = await make(t, { ...SETTINGS, userConnections: 1 })
    await limiter.admit(leaseOf('alice', 'a'))
    const renewed = limiter.renew([alice('a')])
    limiter.release(alice('a'))
    await renewed
    await limiter.vacate([])
    t.ok((await limiter.admit(leaseOf('alice', 'b'))).admitted)
  })
}

function testGrants (t: Test, make: MakeSubject): void {
  const ask = async (limiter: Limiter, demand: number, spare: number) => await limiter.takeGrant({ address: ADDRESS, demand, spare }, [])

  t.test('a hundred messages are granted, not one more, until the oldest leaves', async (t) => {
    const { limiter, clock } = await make(t, SETTINGS)
    t.match(await ask(limiter, 60, 0), { granted: 60, retryAfterMs: 0 })
    clock.advance(10)
    t.match(await ask(limiter, 60, 50), { granted: 40, retryAfterMs: 59_990 })
    t.match(await ask(limiter, 1, 0), { granted: 0, retryAfterMs: 59_990 })
    clock.advance(59_989)
    t.match(await ask(limiter, 1, 0), { granted: 0, retryAfterMs: 1 })
    clock.advance(1)
    t.match(await ask(limiter, 61, 0), { granted: 60 })
  })

  t.test('a grant shrinks towards the end of the window, and is single at it', async (t) => {
    const { limiter } = await make(t, SETTINGS)
    const sizes: number[] = []
    for (let left = 100; left > 0; left -= sizes.at(-1) ?? left) sizes.push((await ask(limiter, 1, 256)).granted)
    t.ok(sizes.length <= 10, `${sizes.length} calls for 100 messages`)
    t.same(sizes.slice(-3), [1, 1, 1])
    t.equal((await ask(limiter, 1, 256)).granted, 0)
  })

  t.test('what a grant did not spend goes back, and what it spent counts from when it was spent', async (t) => {
    const { limiter, clock } = await make(t, SETTINGS)
    const grant = await ask(limiter, 1, 256)
    t.equal(grant.granted, 50)
    clock.advance(700)
    limiter.settle([{ address: ADDRESS, id: grant.id, granted: 50, spent: 11, lastSpentMs: 500 }])
    t.match(await ask(limiter, 100, 0), { granted: 89, retryAfterMs: 59_300 }, 'the first one left at 60,000')
    clock.advance(59_300)
    t.match(await ask(limiter, 2, 0), { granted: 1, retryAfterMs: 500 }, 'the other ten at 60,500')
    clock.advance(500)
    t.match(await ask(limiter, 100, 0), { granted: 10 })
  })

  t.test('a grant that is never settled counts as spent when the time to settle it is over', async (t) => {
    const { limiter, clock } = await make(t, SETTINGS)
    await ask(limiter, 1, 256)
    await ask(limiter, 50, 0)
    clock.advance(SETTINGS.messageWindowMs)
    t.equal((await ask(limiter, 100, 0)).granted, 51)
    clock.advance(GRANT_SETTLE_MS)
    t.equal((await ask(limiter, 100, 0)).granted, 49)
  })

  t.test('grants are settled in the call that takes the next one', async (t) => {
    const { limiter } = await make(t, SETTINGS)
    const { id, granted } = await ask(limiter, 1, 256)
    const settlement = { address: ADDRESS, id, granted, spent: 1, lastSpentMs: 0 }
    const next = await limiter.takeGrant({ address: ADDRESS, demand: 99, spare: 0 }, [settlement])
    t.equal(next.granted, 99)
  })

  for (const messages of [100, 5000]) {
    t.test(`a window of ${messages} that only unsettled grants make full says how long, one that is spent does not`, async (t) => {
      const { limiter, clock } = await make(t, { ...SETTINGS, messages })
      const grant = await ask(limiter, messages - 40, 20)
      t.equal(grant.granted, messages - 20)
      clock.advance(300)
      t.match(await ask(limiter, 30, 0), { granted: 20, unsettledMs: GRANT_SETTLE_MS - 300 })
      t.match(await ask(limiter, 1, 0), { granted: 0, unsettledMs: GRANT_SETTLE_MS - 300 })
      limiter.settle([{ address: ADDRESS, id: grant.id, granted: messages - 20, spent: messages - 25, lastSpentMs: 300 }])
      const last = await ask(limiter, 9, 0)
      t.match(last, { granted: 5, unsettledMs: 0 }, 'what came back is taken, what was spent is not')
      t.ok(last.retryAfterMs > 50_000, `${last.retryAfterMs} ms`)
    })

    t.test(`a grant under a limit of ${messages} that nobody settles counts as spent in the end, and no longer as lent`, async (t) => {
      const { limiter, clock } = await make(t, { ...SETTINGS, messages })
      await ask(limiter, messages - 40, 20)
      clock.advance(GRANT_SETTLE_MS - 1)
      t.match(await ask(limiter, 21, 0), { granted: 20, unsettledMs: 1 })
      clock.advance(1)
      t.match(await ask(limiter, 1, 0), { granted: 0, unsettledMs: 0 })
    })
  }

  t.test('what is said to be spent later than now counts as spent now', async (t) => {
    const { limiter } = await make(t, SETTINGS)
    const grant = await ask(limiter, 1, 256)
    limiter.settle([{ address: ADDRESS, id: grant.id, granted: 50, spent: 50, lastSpentMs: 700 }])
    t.match(await ask(limiter, 51, 0), { granted: 50, retryAfterMs: SETTINGS.messageWindowMs, unsettledMs: 0 })
  })

  t.test('settling after the window has gone changes nothing', async (t) => {
    const { limiter, clock } = await make(t, SETTINGS)
    const { id, granted } = await ask(limiter, 1, 256)
    clock.advance(200_000)
    limiter.settle([{ address: ADDRESS, id, granted, spent: 1, lastSpentMs: 0 }])
    t.match(await ask(limiter, 101, 0), { granted: 100 })
  })

  t.test('a message limit above 1000 is kept in every window, unspent parts go back', async (t) => {
    const { limiter, clock } = await make(t, { ...SETTINGS, messages: 5000 })
    const grant = await ask(limiter, 10, 256)
    t.equal(grant.granted, 266)
    limiter.settle([{ address: ADDRESS, id: grant.id, granted: 266, spent: 20, lastSpentMs: 900 }])
    const rest = await ask(limiter, 6000, 256)
    t.equal(rest.granted, 4980)
    clock.advance(rest.retryAfterMs - 1)
    t.equal((await ask(limiter, 1, 0)).granted, 0)
    clock.advance(1)
    t.ok((await ask(limiter, 1, 0)).granted > 0)
    t.ok(rest.retryAfterMs >= 60_000 && rest.retryAfterMs < 63_000, `${rest.retryAfterMs} ms`)
  })
}
