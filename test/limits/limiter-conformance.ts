import type { Test } from 'tap'
import type { Admission, Limiter, LimitSettings } from '../../src/limits/limiter.js'
import type { TestClock } from './clocks.js'
import { testGrants } from './grant-conformance.js'
import { testUsers, testVacating } from './lease-conformance.js'
import { testPasses } from './pass-conformance.js'

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

/** How many of the attempts pass. */
export async function countAdmitted (answers: ReadonlyArray<Promise<Admission>>): Promise<number> {
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
  testUsers(t, make, SETTINGS)
  testVacating(t, make, SETTINGS)
  testPasses(t, make, SETTINGS)
  testGrants(t, make, SETTINGS)
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
