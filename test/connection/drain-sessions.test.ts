import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { drainSessions, type DrainDeps, type DrainTimes, type Latecomers } from '../../src/connection/drain-sessions.js'
import { createRegistry, type Registry } from '../../src/connection/registry.js'
import type { Session } from '../../src/connection/session.js'
import type { Lease } from '../../src/limits/limiter.js'
import { openTestSession, type TestSocket } from './stand-ins.js'
import { HANG_MS } from '../support/until.js'

interface Filled {
  readonly registry: Registry
  readonly sessions: Session[]
  readonly sockets: TestSocket[]
  readonly endedAtMs: number[]
}

/** Connections that leave the registry as they are ended, and when that was. */
function fill (count: number): Filled {
  const registry = createRegistry()
  const endedAtMs: number[] = []
  const sessions: Session[] = []
  const sockets = Array.from({ length: count }, () => {
    const { session, socket } = openTestSession()
    registry.add(session)
    sessions.push(session)
    const { end } = socket
    socket.end = (code, reason) => { end(code, reason); endedAtMs.push(performance.now()); registry.remove(session) }
    return socket
  })
  return { registry, sessions, sockets, endedAtMs }
}

const NO_LATECOMERS: Latecomers = { pending: 0, refuse () {} }

const over = (drainMs: number, openForMs = 0): DrainTimes => ({ drainMs, openForMs })

const depsOf = (registry: Registry, more: Partial<DrainDeps> = {}): DrainDeps => ({
  registry,
  latecomers: NO_LATECOMERS,
  limiter: { vacate: async () => {} },
  passes: { issue: () => null },
  maxBufferedBytes: 65_536,
  ...more
})

t.test('everybody is told when to come back, at moments of their own, and closed with 1012', async (t) => {
  const { registry, sockets } = fill(40)
  await drainSessions(depsOf(registry), over(0), () => false)
  t.equal(registry.size, 0)
  const delays = sockets.map((socket) => {
    const [frame] = socket.frames()
    t.match(frame, { type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: Number })
    t.notOk('resume' in (frame ?? {}), 'no pass while no key is known')
    t.same(socket.ended, { code: 1012, reason: `{"error":"restarting","retry_after_ms":${frame?.['reconnect_after_ms']}}` })
    return Number(frame?.['reconnect_after_ms'])
  })
  t.ok(delays.every(delay => delay >= 0 && delay < 4000))
  t.ok(new Set(delays).size > 20, 'no stampede')
})

t.test('each gets a pass for its user and address, which lasts a minute longer than it is told to wait', async (t) => {
  const { registry, sockets } = fill(3)
  const lives: number[] = []
  const issue: DrainDeps['passes']['issue'] = ({ userId }, addressKey, lifeMs) => `${userId}@${addressKey}#${lives.push(lifeMs)}`
  await drainSessions(depsOf(registry, { passes: { issue } }), over(0), () => false)
  const frames = sockets.flatMap(socket => socket.frames()).sort((one, other) => String(one['resume']) < String(other['resume']) ? -1 : 1)
  t.same(frames.map(frame => frame['resume']), ['alice@192.0.2.1#1', 'alice@192.0.2.1#2', 'alice@192.0.2.1#3'])
  t.same(lives, frames.map(frame => Number(frame['reconnect_after_ms']) + 60_000))
})

t.test('the slots are given back before anybody is told, and are not to be renewed', async (t) => {
  const { registry, sessions, sockets } = fill(3)
  const vacated: Lease[] = []
  let answer = (): void => {}
  const vacate = async (leases: readonly Lease[]): Promise<void> => {
    vacated.push(...leases)
    t.ok(sessions.every(session => session.vacated))
    await new Promise<void>((resolve) => { answer = resolve })
  }
  const drained = drainSessions(depsOf(registry, { limiter: { vacate } }), over(0), () => false)
  t.same(new Set(vacated), new Set(sessions.map(session => session.lease)))
  await new Promise((resolve) => setImmediate(resolve))
  t.same(sockets.flatMap(socket => socket.frames()), [], 'nobody is told before the answer')
  answer()
  await drained
  t.ok(sockets.every(socket => socket.ended?.code === 1012))
})

t.test('a store that never answers holds nobody up for long', async (t) => {
  const { registry } = fill(3)
  const startedAtMs = performance.now()
  await drainSessions(depsOf(registry, { limiter: { vacate: async () => { await new Promise(() => {}) } } }), over(0), () => false)
  t.equal(registry.size, 0)
  t.ok(performance.now() - startedAtMs < HANG_MS)
})

t.test('who ends by itself while slots are given back is told nothing more', async (t) => {
  const { registry, sessions, sockets } = fill(1)
  const vacate = async (): Promise<void> => { for (const session of sessions) session.ending = { name: 'idle', message: '' } }
  const drained = drainSessions(depsOf(registry, { limiter: { vacate } }), over(0), () => false)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(sockets[0]?.sent, [])
  for (const session of sessions) registry.remove(session)
  await drained
})

/** Time that passes only when the test says so. Returns how. */
function holdTime (t: Test): (ms: number) => Promise<void> {
  let nowMs = 0
  t.intercept(performance, 'now', { value: () => nowMs })
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => { mock.timers.reset() })
  return async (ms) => {
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs += 10
      mock.timers.tick(10)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

t.test('the end is spread evenly over the time given', async (t) => {
  const pass = holdTime(t)
  const { registry, endedAtMs } = fill(60)
  const drained = drainSessions(depsOf(registry), over(500), () => false)
  await pass(700)
  await drained
  t.ok(endedAtMs.filter(at => at < 75).length <= 12, 'no burst at the start')
  t.ok((endedAtMs.at(-1) ?? 0) > 250, 'it takes its time')
})

t.test('a few are spread over the time like many', async (t) => {
  const pass = holdTime(t)
  const { registry, endedAtMs } = fill(3)
  const drained = drainSessions(depsOf(registry), over(600), () => false)
  await pass(800)
  await drained
  t.ok((endedAtMs[0] ?? 0) >= 200, 'the first after its share of the time')
  t.ok((endedAtMs.at(-1) ?? 0) >= 500, 'the last near the end')
})

t.test('who is in a hurry ends all that is left at once', async (t) => {
  const { registry } = fill(100)
  let urgent = false
  const drained = drainSessions(depsOf(registry), over(600_000), () => urgent)
  t.ok(registry.size > 90)
  urgent = true
  await drained
  t.equal(registry.size, 0)
})

t.test('with nobody there it is done at once', async (t) => {
  await drainSessions(depsOf(createRegistry()), over(600_000), () => false)
  t.pass()
})

/** Upgrades that become connections when the test says so, until they are refused. */
function expectLatecomers (registry: Registry, count: number) {
  let pending = count
  const refused: number[] = []
  return {
    refused,
    latecomers: {
      get pending () { return pending },
      refuse () {
        refused.push(pending)
        pending = 0
      }
    },
    /** One comes in; returns how it fares. */
    enter (): TestSocket {
      const { session, socket } = openTestSession()
      const { end } = socket
      socket.end = (code, reason) => { end(code, reason); registry.remove(session) }
      pending--
      registry.add(session)
      return socket
    }
  }
}

t.test('it waits for upgrades under way, and who comes in by one is told like the others', async (t) => {
  const pass = holdTime(t)
  const { registry, sockets } = fill(1)
  const { latecomers, refused, enter } = expectLatecomers(registry, 2)
  let isDone = false
  const drained = drainSessions(depsOf(registry, { latecomers }), over(1000), () => false).then(() => { isDone = true })
  await pass(500)
  const inTime = enter()
  await pass(400)
  const atLast = enter()
  t.same([isDone, refused], [false, []])
  await pass(200)
  await drained
  for (const { ended, frames } of [...sockets, inTime, atLast]) t.match([frames().map(({ type }) => type), ended], [['closing'], { code: 1012 }])
  t.same(refused.filter(count => count > 0), [], 'nobody was refused')
})

t.test('with nobody there it is over as soon as the last upgrade under way has ended', async (t) => {
  const pass = holdTime(t)
  const { registry } = fill(0)
  const { latecomers, refused, enter } = expectLatecomers(registry, 1)
  let isDone = false
  const drained = drainSessions(depsOf(registry, { latecomers }), over(600_000), () => false).then(() => { isDone = true })
  await pass(1000)
  t.notOk(isDone)
  enter().end(1000, '')
  await pass(100)
  await drained
  t.same(refused, [0], 'nobody comes in after that')
})

t.test('an upgrade that is not decided at the end of the time is refused, and none holds up who is in a hurry', async (t) => {
  const pass = holdTime(t)
  const slow = expectLatecomers(createRegistry(), 3)
  const drained = drainSessions(depsOf(createRegistry(), { latecomers: slow.latecomers }), over(1000), () => false)
  await pass(900)
  t.same(slow.refused, [])
  await pass(200)
  await drained
  t.equal(slow.refused[0], 3)
  const hurried = expectLatecomers(createRegistry(), 3)
  let isUrgent = false
  const left = drainSessions(depsOf(createRegistry(), { latecomers: hurried.latecomers }), over(600_000, 600_000), () => isUrgent)
  await pass(100)
  t.same(hurried.refused, [])
  isUrgent = true
  await pass(100)
  await left
  t.equal(hurried.refused[0], 3)
})

t.test('with nobody there it stays open as long as heads may still arrive, but never longer than the drain', async (t) => {
  const pass = holdTime(t)
  for (const [openForMs, drainMs] of [[500, 600_000], [600_000, 500]] as const) {
    const { registry } = fill(0)
    const { latecomers, refused } = expectLatecomers(registry, 0)
    let isDone = false
    const drained = drainSessions(depsOf(registry, { latecomers }), over(drainMs, openForMs), () => false).then(() => { isDone = true })
    await pass(480)
    t.same([isDone, refused], [false, []])
    await pass(100)
    await drained
    t.ok(refused.length > 0)
  }
})
