import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createHeartbeat, type Heartbeat } from '../../src/nodes/heartbeat.js'
import type { Beat } from '../../src/nodes/node-beats.js'
import type { Lifetime } from '../support/gateway.js'

const LEASE_MS = 60_000
const TIMEOUT_MS = 1000
const PERIOD_MS = LEASE_MS / 3

type Answer = Pick<Beat, 'aliveUntilMs' | 'lapsed'>

interface World {
  readonly heartbeat: Heartbeat
  nowMs: number
  up: boolean
  /** What happens when a heartbeat is sent. */
  answer: () => Promise<Answer>
  /** Whether another call can take a heartbeat along. */
  canRide: boolean
  /** How long the last heartbeat was allowed to take. */
  limitMs: number
  /** What was called. */
  readonly calls: string[]
  change: (up: boolean) => void
}

const read = ([aliveUntilMs, lapsed]: readonly unknown[]): Beat =>
  ({ aliveUntilMs: Number(aliveUntilMs), lapsed: lapsed === 1, index: 'noted' })

/** What happens beside the heartbeat itself; default: nothing. */
interface Doubles { readonly enlist?: () => Promise<void>, readonly onReturn?: () => Promise<void> }

/** A heartbeat on a clock of the test's, and a Redis that answers as told. */
function start (t: Lifetime, { enlist = async () => {}, onReturn = async () => {} }: Doubles = {}): World {
  const calls: string[] = []
  const world: Omit<World, 'heartbeat'> = {
    nowMs: 1_000_000,
    up: true,
    canRide: true,
    limitMs: 0,
    calls,
    change: () => {},
    answer: async () => ({ aliveUntilMs: 5000 + LEASE_MS, lapsed: false })
  }
  const heartbeat = createHeartbeat({
    store: {
      beat: async (limitMs = 0) => { calls.push('beat'); world.limitMs = limitMs; return { ...await world.answer(), index: 'noted' } },
      rideAlong: () => world.canRide ? { keys: ['k'], args: ['a'], read } : null,
      async enlist () {
        await enlist()
        calls.push('enlist')
      }
    },
    redis: {
      isUp: () => world.up,
      onChange: (listener) => { world.change = listener; return () => { calls.push('unwatched') } },
      waitUntilUp: async () => world.up
    },
    leaseMs: LEASE_MS,
    timeoutMs: TIMEOUT_MS,
    now: () => world.nowMs,
    pause: async (ms) => { world.nowMs += ms }
  })
  heartbeat.start({
    onReturn: async () => {
      calls.push('return')
      await onReturn()
    },
    onBeat: () => { calls.push('beaten') },
    onTrouble: (error) => { calls.push(error === null ? 'broken' : 'trouble') }
  })
  t.teardown(async () => { await heartbeat.stop() })
  return Object.assign(world, { heartbeat })
}

t.test('a process is current for a lease from when its last heartbeat was sent, not from when it was answered', async (t) => {
  const world = start(t)
  t.equal(world.heartbeat.isCurrent(), false)
  world.answer = async () => { world.nowMs += 20_000; return { aliveUntilMs: 0, lapsed: true } }
  await world.heartbeat.beat()
  t.equal(world.heartbeat.isCurrent(), true)
  world.nowMs += LEASE_MS - 20_000
  t.equal(world.heartbeat.isCurrent(), true)
  world.nowMs += 1
  t.equal(world.heartbeat.isCurrent(), false)
})

t.test('after a silence, or when Redis says so, it is asked what others have claimed before the process is current again', async (t) => {
  const world = start(t)
  await world.heartbeat.beat()
  t.same(world.calls.splice(0), ['beat', 'return', 'enlist', 'beaten'], 'a first heartbeat follows a silence')
  await world.heartbeat.beat()
  t.same(world.calls.splice(0), ['beat', 'enlist', 'beaten'])
  world.answer = async () => ({ aliveUntilMs: 0, lapsed: true })
  await world.heartbeat.beat()
  t.same(world.calls.splice(0), ['beat', 'return', 'enlist', 'beaten'])
  world.answer = async () => ({ aliveUntilMs: 0, lapsed: false })
  world.nowMs += LEASE_MS + 1
  await world.heartbeat.beat()
  t.same(world.calls.splice(0), ['beat', 'return', 'enlist', 'beaten'], 'the answer that told of it may have been lost')
})

t.test('a failure in time cuts the process off until a heartbeat is answered', async (t) => {
  const world = start(t)
  world.answer = async () => { world.nowMs += TIMEOUT_MS; throw new Error('no answer') }
  await world.heartbeat.beat()
  t.same(world.calls.splice(0), ['beat', 'trouble'])
  t.equal(world.heartbeat.isCutOff(), true)
  world.answer = async () => ({ aliveUntilMs: 0, lapsed: false })
  await world.heartbeat.beat()
  t.equal(world.heartbeat.isCutOff(), false)
  world.up = false
  await world.heartbeat.beat()
  t.equal(world.heartbeat.isCutOff(), true)
})

t.test('a failure found after the process stood still says nothing of Redis: it asks again', async (t) => {
  const world = start(t)
  await world.heartbeat.beat()
  world.calls.length = 0
  let failures = 0
  world.answer = async () => {
    if (failures++ > 0) return { aliveUntilMs: 0, lapsed: true }
    world.nowMs += 10 * LEASE_MS
    throw new Error('the timer was over when it woke')
  }
  await world.heartbeat.verify()
  t.same(world.calls, ['beat', 'trouble', 'beat', 'return', 'enlist', 'beaten'])
  t.equal(world.limitMs, LEASE_MS, 'its second question has a lease')
  t.equal(world.heartbeat.isCutOff(), false)
  t.equal(world.heartbeat.isCurrent(), true)
})

t.test('nor does the first failure after it stood still for a lease, however soon it comes', async (t) => {
  const world = start(t)
  await world.heartbeat.beat()
  world.nowMs += LEASE_MS + 1
  let failures = 1
  world.answer = async () => {
    if (failures-- > 0) throw new Error('late')
    return { aliveUntilMs: 0, lapsed: true }
  }
  const beating = world.heartbeat.beat()
  t.equal(world.heartbeat.isCutOff(), false)
  await beating
  t.same([world.heartbeat.isCutOff(), world.heartbeat.isCurrent()], [false, true])
  world.nowMs += LEASE_MS + 1
  failures = Infinity
  await world.heartbeat.beat()
  t.equal(world.heartbeat.isCutOff(), true, 'one that goes on failing is cut off all the same')
})

/** A process that has beaten, and stood still for so long that others may have claimed its connections. */
async function stall (t: Lifetime, options: Doubles = {}): Promise<World> {
  const world = start(t, options)
  await world.heartbeat.beat()
  world.nowMs += 2 * LEASE_MS
  return world
}

t.test('a process that stood still takes late answers, whatever a call may take else', async (t) => {
  const world = start(t)
  await world.heartbeat.beat()
  t.equal(world.limitMs, TIMEOUT_MS)
  world.nowMs += 2 * LEASE_MS
  world.calls.length = 0
  world.answer = async () => {
    world.nowMs += LEASE_MS / 2
    return { aliveUntilMs: 0, lapsed: true }
  }
  await world.heartbeat.verify()
  t.equal(world.limitMs, LEASE_MS)
  t.same(world.calls, ['beat', 'return', 'enlist', 'beaten'])
  t.same([world.heartbeat.isCutOff(), world.heartbeat.isCurrent()], [false, true])
})

t.test('however often its questions fail, it is not cut off until a lease after the first of them', async (t) => {
  const world = await stall(t)
  const wokeAtMs = world.nowMs
  const seen: boolean[] = []
  world.answer = async () => {
    seen.push(world.heartbeat.isCutOff())
    throw new Error('Connection is closed.')
  }
  await world.heartbeat.beat()
  t.same([seen.length > 4, seen.includes(true)], [true, false], 'a connection made anew again and again does not use up its tries')
  t.equal(world.heartbeat.isCutOff(), true)
  t.ok(world.nowMs - wokeAtMs >= LEASE_MS && world.nowMs - wokeAtMs < LEASE_MS + TIMEOUT_MS, `${world.nowMs - wokeAtMs} ms`)
})

t.test('the lease is counted anew where it stood still once more', async (t) => {
  const world = await stall(t)
  const tooksMs = [3 * LEASE_MS, ...Array.from({ length: 5 }, () => LEASE_MS / 8)]
  world.answer = async () => {
    const tookMs = tooksMs.shift()
    if (tookMs === undefined) return { aliveUntilMs: 0, lapsed: true }
    world.nowMs += tookMs
    throw new Error('late')
  }
  await world.heartbeat.beat()
  t.same([world.heartbeat.isCutOff(), world.heartbeat.isCurrent()], [false, true])
})

t.test('and from each answer: what is asked next has a lease of its own', async (t) => {
  let returns = 0
  const onReturn = async (): Promise<void> => {
    if (returns++ !== 1) return
    world.nowMs += TIMEOUT_MS / 2
    throw new Error('late')
  }
  const world = await stall(t, { onReturn })
  const tooksMs = [LEASE_MS - 1, 0]
  world.answer = async () => {
    world.nowMs += tooksMs.shift() ?? 0
    return { aliveUntilMs: 0, lapsed: true }
  }
  await world.heartbeat.beat()
  t.same([world.heartbeat.isCutOff(), world.heartbeat.isCurrent(), returns], [false, true, 3])
})

t.test('what others have claimed is known as soon as Redis has told it, though the index does not answer', async (t) => {
  const world = start(t, { enlist: async () => { throw new Error('no answer') } })
  world.answer = async () => ({ aliveUntilMs: 0, lapsed: true })
  await world.heartbeat.beat()
  t.same(world.calls, ['beat', 'return', 'trouble'])
  t.equal(world.heartbeat.isCurrent(), true)
  t.equal(world.heartbeat.mayClaimUntilMs(), null)
})

t.test('a stop breaks off a question that is not answered, and asks no other', async (t) => {
  const world = await stall(t)
  world.calls.length = 0
  let late = (_beat: Answer): void => {}
  world.answer = async () => await new Promise((resolve) => { late = resolve })
  const verified = world.heartbeat.verify()
  await setImmediate()
  await world.heartbeat.stop()
  await verified
  late({ aliveUntilMs: 0, lapsed: true })
  await setImmediate()
  t.same(world.calls, ['beat', 'unwatched'])
})

t.test('a stop before the question is sent has none sent', async (t) => {
  const world = await stall(t)
  world.calls.length = 0
  const verified = world.heartbeat.verify()
  await world.heartbeat.stop()
  await verified
  await setImmediate()
  t.same(world.calls, ['unwatched'])
})

t.test('a process that goes on standing still is cut off in the end', async (t) => {
  const world = start(t)
  world.answer = async () => { world.nowMs += 10 * LEASE_MS; throw new Error('again') }
  await world.heartbeat.verify()
  t.equal(world.heartbeat.isCutOff(), true)
})

t.test('a stop while the answer travels makes the answer old: verifying beats once more', async (t) => {
  const world = start(t)
  let beats = 0
  world.answer = async () => {
    if (beats++ === 0) world.nowMs += 2 * LEASE_MS
    return { aliveUntilMs: 0, lapsed: false }
  }
  await world.heartbeat.verify()
  t.equal(beats, 2)
  t.equal(world.heartbeat.isCurrent(), true)
})

t.test('others may be taken for lost after a lease of heartbeats without a gap, and no longer than half a lease after the last', async (t) => {
  const world = start(t)
  const beatAfter = async (ms: number): Promise<number | null> => {
    world.nowMs += ms
    await world.heartbeat.beat()
    return world.heartbeat.mayClaimUntilMs()
  }
  t.equal(world.heartbeat.mayClaimUntilMs(), null)
  for (const may of [null, null, null, 5000 + LEASE_MS / 2, 5000 + LEASE_MS / 2]) t.equal(await beatAfter(LEASE_MS / 3), may)
  t.equal(await beatAfter(LEASE_MS / 3 * 2 + 1), null, 'two heartbeats were missed: the others may have missed as many')
  for (const may of [null, null, 5000 + LEASE_MS / 2]) t.equal(await beatAfter(LEASE_MS / 3), may)
})

t.test('it beats as soon as Redis is back, one beat at a time, and no more once it has stopped', async (t) => {
  const world = start(t)
  world.change(true)
  await Promise.all([world.heartbeat.beat(), world.heartbeat.beat()])
  t.same(world.calls.splice(0), ['beat', 'return', 'enlist', 'beaten'])
  world.change(false)
  t.same(world.calls.splice(0), ['broken'], 'no heartbeat has failed')
  await world.heartbeat.stop()
  await world.heartbeat.verify()
  t.same(world.calls, ['unwatched'])
})

t.test('a heartbeat that is due goes along with another call, and counts from when that was sent', async (t) => {
  const world = start(t)
  await world.heartbeat.beat()
  world.nowMs += 0.8 * PERIOD_MS - 1
  t.equal(world.heartbeat.takeRide(), null, 'too soon')
  world.nowMs += 1
  world.calls.length = 0
  const ride = world.heartbeat.takeRide()
  t.match(ride, { keys: ['k'], args: ['a'] })
  t.equal(world.heartbeat.takeRide(), null, 'one at a time')
  const joined = world.heartbeat.beat()
  world.nowMs += TIMEOUT_MS
  ride?.answered([5000 + LEASE_MS, 1])
  await joined
  t.same(world.calls, ['return', 'enlist', 'beaten'], 'none was sent by itself')
  world.nowMs += LEASE_MS - TIMEOUT_MS
  t.equal(world.heartbeat.isCurrent(), true)
  world.nowMs += 1
  t.equal(world.heartbeat.isCurrent(), false)
})

t.test('a ride that fails is no trouble yet: the heartbeat is sent by itself, at once', async (t) => {
  const world = start(t)
  await world.heartbeat.beat()
  world.nowMs += PERIOD_MS
  world.calls.length = 0
  world.heartbeat.takeRide()?.failed(new Error('NOPERM'))
  await world.heartbeat.beat()
  t.same(world.calls, ['beat', 'enlist', 'beaten'])
  t.same([world.heartbeat.isCurrent(), world.heartbeat.isCutOff()], [true, false])
})

t.test('no heartbeat rides that is the first, or that of a process which stood still, is without Redis, or has stopped', async (t) => {
  const world = start(t)
  t.equal(world.heartbeat.takeRide(), null, 'the first')
  await world.heartbeat.beat()
  world.nowMs += PERIOD_MS
  const refusals: Array<[string, () => void]> = [
    ['on a cluster', () => { world.canRide = false }],
    ['without Redis', () => { Object.assign(world, { canRide: true, up: false }) }],
    ['stood still', () => { Object.assign(world, { up: true, nowMs: world.nowMs + 2 * LEASE_MS }) }]
  ]
  for (const [why, change] of refusals) {
    change()
    t.equal(world.heartbeat.takeRide(), null, why)
  }
  await world.heartbeat.beat()
  world.nowMs += PERIOD_MS
  await world.heartbeat.stop()
  t.equal(world.heartbeat.takeRide(), null, 'stopped')
})

t.test('a stop does not wait for the call with which the heartbeat rides', async (t) => {
  const world = start(t)
  await world.heartbeat.beat()
  world.nowMs += PERIOD_MS
  const ride = world.heartbeat.takeRide()
  world.calls.length = 0
  await world.heartbeat.stop()
  ride?.failed(new Error('late'))
  await setImmediate()
  t.same(world.calls, ['unwatched'])
})

t.test('that Redis is away is not known any more by a process that stood still since', async (t) => {
  const world = start(t)
  await world.heartbeat.beat()
  world.up = false
  await world.heartbeat.beat()
  t.equal(world.heartbeat.isCutOff(), true)
  world.nowMs += LEASE_MS + 1
  t.equal(world.heartbeat.isCutOff(), false, 'the others may have claimed its connections meanwhile')
})
