import t, { type Test } from 'tap'
import { createDeadlineWheel, type DeadlineWheel } from '../../src/connection/deadline-wheel.js'
import type { Session } from '../../src/connection/session.js'
import { until } from '../support/until.js'
import { openTestSession } from './stand-ins.js'

/** A clock at the last ms of a second, so that the wheel turns every 2 ms of real time whatever second the test sets. */
class EndOfSecondClock {
  constructor (private second: number) {}
  readonly now = (): number => this.second * 1000 + 999
  set (second: number): void { this.second = second }
}

interface Turning { readonly clock: EndOfSecondClock, readonly wheel: DeadlineWheel, readonly fired: Array<[Session, number]> }

function turn (t: Test, second: number, onDue: (session: Session, nowMs: number) => void = () => {}): Turning {
  const clock = new EndOfSecondClock(second)
  const fired: Array<[Session, number]> = []
  const wheel = createDeadlineWheel(clock.now)
  wheel.start((session, nowMs) => { fired.push([session, nowMs]); onDue(session, nowMs) })
  t.teardown(() => { wheel.stop() })
  return { clock, wheel, fired }
}

/** A connection due in a second whose firing shows that all before it had their chance. */
async function pass (turning: Turning, second: number): Promise<void> {
  const { session } = openTestSession()
  turning.wheel.schedule(session, second * 1000)
  turning.clock.set(second)
  await until('the second has passed', () => turning.fired.some(([fired]) => fired === session))
  turning.fired.splice(turning.fired.findIndex(([fired]) => fired === session), 1)
}

t.test('a connection falls due in its second, not before, and once', async (t) => {
  const turning = turn(t, 100)
  const { session } = openTestSession()
  turning.wheel.schedule(session, 104_500)
  t.equal(session.wheelS, 105, 'the first whole second at or after')
  await pass(turning, 104)
  t.same(turning.fired, [])
  await pass(turning, 105)
  t.same(turning.fired.map(([fired, nowMs]) => [fired.connectionId, nowMs]), [[session.connectionId, 105_999]])
  t.equal(session.wheelS, 0)
  await pass(turning, 106)
  t.equal(turning.fired.length, 1)
})

t.test('scheduling again moves it, removing takes it off', async (t) => {
  const turning = turn(t, 100)
  const [moved, removed] = [openTestSession().session, openTestSession().session]
  turning.wheel.schedule(moved, 102_000)
  turning.wheel.schedule(removed, 102_000)
  turning.wheel.schedule(moved, 104_000)
  turning.wheel.remove(removed)
  turning.wheel.remove(removed)
  await pass(turning, 103)
  t.same(turning.fired, [])
  await pass(turning, 104)
  t.same(turning.fired.map(([session]) => session.connectionId), [moved.connectionId])
})

t.test('what is overdue already falls due in the next second', async (t) => {
  const turning = turn(t, 100)
  const { session } = openTestSession()
  turning.wheel.schedule(session, 5)
  t.equal(session.wheelS, 101)
  await pass(turning, 101)
  t.equal(turning.fired.length, 1)
})

t.test('a late timer or a jump of the clock skips nobody', async (t) => {
  const turning = turn(t, 100)
  const sessions = [101, 102, 150, 9_999].map((second) => {
    const { session } = openTestSession()
    turning.wheel.schedule(session, second * 1000)
    return session
  })
  turning.clock.set(10_000)
  await until('all fell due', () => turning.fired.length === sessions.length)
  t.same(new Set(turning.fired.map(([session]) => session)), new Set(sessions))
})

t.test('after the clock was set back, connections fall due by the new time', async (t) => {
  const turning = turn(t, 10_000)
  await pass(turning, 10_001)
  turning.clock.set(100)
  const { session } = openTestSession()
  await until('the wheel follows', () => {
    turning.wheel.schedule(session, 102_000)
    return session.wheelS === 102
  })
  await pass(turning, 102)
  t.equal(turning.fired.length, 1)
})

t.test('a connection may be scheduled again as it falls due', async (t) => {
  const turning = turn(t, 100, (session, nowMs) => { if (nowMs < 103_000) turning.wheel.schedule(session, nowMs) })
  const { session } = openTestSession()
  turning.wheel.schedule(session, 101_000)
  for (const second of [101, 102, 103, 104]) await pass(turning, second)
  t.same(turning.fired.filter(([fired]) => fired === session).map(([, nowMs]) => nowMs), [101_999, 102_999, 103_999])
})

t.test('one connection\'s fault costs the others nothing, and comes to light', async (t) => {
  const faults: unknown[] = []
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => { faults.push(error) })
  t.teardown(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  const broken = openTestSession().session
  const turning = turn(t, 100, (session) => { if (session === broken) throw new Error('broken') })
  const [before, after] = [openTestSession().session, openTestSession().session]
  const all = [before, broken, after]
  for (const session of all) turning.wheel.schedule(session, 101_000)
  await pass(turning, 101)
  await pass(turning, 102)
  t.same(turning.fired.map(([session]) => session.connectionId).toSorted(), all.map(session => session.connectionId).toSorted())
  await until('the fault came to light', () => faults.length === 1)
  t.match(faults, [{ message: 'broken' }])
})

t.test('a time that is none schedules nothing', async (t) => {
  const turning = turn(t, 100)
  const { session } = openTestSession()
  for (const atMs of [NaN, Infinity]) {
    turning.wheel.schedule(session, atMs)
    t.equal(session.wheelS, 0)
  }
})
