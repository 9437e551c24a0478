import t from 'tap'
import { createCallQueue, type CallQueue } from '../../src/access/call-queue.js'
import { createCallerGroups, type Caller } from '../../src/access/caller-groups.js'
import type { Timers } from '../../src/timers.js'

const SLOW_MS = 1000
const LINGER_MS = 20

interface Job {
  readonly caller: Caller
  /** Null: it waits; true: it runs; a message: it was turned away. */
  readonly state: () => true | string | null
  finish (): Promise<void>
  giveUp (): Promise<void>
}

interface Bench {
  readonly queue: CallQueue
  start (userId: string, more?: Partial<Caller>): Job
  advance (ms: number): void
}

const settled = async (): Promise<void> => { await new Promise<void>((resolve) => { setImmediate(resolve) }) }

/** A queue of ten places, and work that ends when it is told to. */
function setUp (places = 10, lingerMs = 0): Bench {
  let nowMs = 0
  const due = new Map<() => void, number>()
  const timers: Pick<Timers, 'after'> = {
    after (ms, call) {
      due.set(call, nowMs + ms)
      return () => { due.delete(call) }
    }
  }
  const groups = createCallerGroups({ places, slowMs: SLOW_MS, now: () => nowMs })
  const queue = createCallQueue({ groups, lingerMs, now: () => nowMs, timers })
  return {
    queue,
    advance (ms) {
      nowMs += ms
      for (const [call, atMs] of due) if (atMs <= nowMs && due.delete(call)) call()
    },
    start (userId, more = {}) {
      const caller = { userId, list: false, recheck: false, ...more }
      const deadline = new AbortController()
      let [resolve, reject] = [(): void => {}, (_error: Error): void => {}]
      const done = new Promise<void>((...ends) => { [resolve, reject] = ends })
      let state: true | string | null = null
      queue.run(deadline.signal, caller, async () => {
        state = true
        await done
      }).catch((error: unknown) => { state = error instanceof Error ? error.message : 'unknown' })
      return {
        caller,
        state: () => state,
        async finish () {
          resolve()
          await settled()
        },
        async giveUp () {
          deadline.abort()
          if (state === true) reject(new Error('given up'))
          await settled()
        }
      }
    }
  }
}

async function running (jobs: readonly Job[]): Promise<number> {
  await settled()
  return jobs.filter(job => job.state() === true).length
}

async function runs (job: Job | undefined): Promise<boolean> {
  await settled()
  return job?.state() === true
}

const many = (bench: Bench, count: number, userOf: (n: number) => string, more: Partial<Caller> = {}): Job[] =>
  Array.from({ length: count }, (_, n) => bench.start(userOf(n), more))

t.test('a user holds two places, whatever more is asked, and gets the next as one comes free', async (t) => {
  const bench = setUp()
  const attacker = many(bench, 20, () => 'eve')
  t.equal(await running(attacker), 2)
  const victims = many(bench, 6, n => `user${n}`)
  t.equal(await running(victims), 6, 'nobody waits for her')
  await attacker[0]?.finish()
  t.equal(await running(attacker), 2 + 1)
  t.ok(await runs(attacker[2]), 'in the order of their coming')
})

t.test('users whose questions were slow hold a quarter together, however many they are, also between quick ones', async (t) => {
  const bench = setUp()
  const first = many(bench, 8, n => `slow${n}`)
  t.equal(await running(first), 8)
  bench.advance(SLOW_MS)
  for (const job of first) await job.finish()
  await bench.start('slow0').finish()
  const again = many(bench, 16, n => `slow${n % 8}`)
  t.equal(await running(again), 2)
  t.equal(await running(many(bench, 6, n => `user${n}`)), 6)
  bench.advance(30_000)
  t.equal(await running(many(bench, 1, () => 'slow7')), 0, 'the places are taken now')
  for (const job of again) await job.finish()
})

t.test('lists hold a quarter', async (t) => {
  const bench = setUp()
  t.equal(await running(many(bench, 5, n => `user${n}`, { list: true })), 2)
  t.equal(await running(many(bench, 8, n => `other${n}`)), 6)
})

t.test('one user\'s lists hold one of these places, and another user\'s is next, however many of hers wait', async (t) => {
  const bench = setUp()
  const attacker = many(bench, 50, () => 'eve', { list: true })
  t.equal(await running(attacker), 1)
  const alice = bench.start('alice', { list: true })
  t.ok(await runs(alice))
  const bob = bench.start('bob', { list: true })
  const carol = bench.start('carol', { list: true })
  t.notOk(await runs(bob))
  await alice.finish()
  t.ok(await runs(bob))
  await attacker[0]?.finish()
  t.ok(await runs(carol))
  t.equal(await running(attacker), 1, 'hers wait, and the one that ran')
  await bob.finish()
  t.ok(await runs(attacker[1]))
  t.notOk(await runs(attacker[2]))
})

t.test('users who wait are served in turn, each in the order of her calls', async (t) => {
  const bench = setUp(1)
  const first = bench.start('first')
  const attacker = many(bench, 20, () => 'eve')
  const [alice, again, bob] = [bench.start('alice'), bench.start('alice'), bench.start('bob')]
  const order = [first, attacker[0], alice, bob, attacker[1], again, attacker[2]]
  for (const job of order) {
    t.ok(await runs(job))
    await job?.finish()
  }
})

t.test('no lists of those who ask keep re-checks of lists waiting', async (t) => {
  const bench = setUp()
  t.equal(await running(many(bench, 5, n => `user${n}`, { list: true })), 2)
  t.equal(await running(many(bench, 5, n => `user${n}`, { list: true, recheck: true })), 2)
})

t.test('re-checks have places that nobody else takes, and take no more than their own', async (t) => {
  const bench = setUp()
  t.equal(await running(many(bench, 20, n => `user${n}`)), 8)
  t.equal(await running(many(bench, 20, n => `user${n}`, { recheck: true })), 2)
  const other = setUp()
  t.equal(await running(many(other, 20, n => `user${n}`, { recheck: true })), 4)
  t.equal(await running(many(other, 20, n => `user${n}`)), 6)
})

t.test('one user\'s re-checks hold one place, those of slow users two, and a full queue of askers turns no re-check away', async (t) => {
  const bench = setUp()
  t.equal(await running(many(bench, 5, () => 'eve', { recheck: true })), 1)
  many(bench, 600, n => `user${n}`)
  t.notOk(await runs(bench.start('late')))
  t.ok(await runs(bench.start('alice', { recheck: true })))
  const slow = setUp()
  const first = many(slow, 4, n => `slow${n}`, { recheck: true })
  t.equal(await running(first), 4)
  slow.advance(SLOW_MS)
  for (const job of first) await job.finish()
  t.equal(await running(many(slow, 4, n => `slow${n}`, { recheck: true })), 2)
  t.equal(await running(many(slow, 4, n => `user${n}`, { recheck: true })), 2)
})

const turnedAway = (jobs: readonly Job[]): number => jobs.filter(job => job.state() === 'too many checks are waiting').length

t.test('the queue is bounded, and neither one user nor all slow ones together fill more than half of it', async (t) => {
  const bench = setUp()
  const attacker = many(bench, 300, () => 'eve')
  t.equal(await running(attacker), 2)
  t.equal(turnedAway(attacker), 300 - 2 - 250)
  const others = many(bench, 260, n => `user${n}`)
  t.equal(await running(others), 6)
  t.equal(turnedAway(others), 260 - 6 - 250)
  const slow = setUp()
  const first = many(slow, 8, n => `slow${n}`)
  t.equal(await running(first), 8)
  slow.advance(SLOW_MS)
  for (const job of first) await job.finish()
  const again = many(slow, 300, n => `slow${n % 8}`)
  t.equal(await running(again), 2)
  t.equal(turnedAway(again), 300 - 2 - 250)
})

t.test('a call that gives up frees its seat, and takes no place later', async (t) => {
  const bench = setUp(1)
  const first = bench.start('alice')
  const impatient = bench.start('bob')
  await impatient.giveUp()
  t.equal(impatient.state(), 'no place came free in time')
  const patient = bench.start('carol')
  await first.finish()
  t.ok(await runs(patient))
  await patient.finish()
  t.ok(await runs(bench.start('dave')), 'every place is back')
})

t.test('work that fails gives its place back', async (t) => {
  const { queue } = setUp(1)
  const caller = { userId: 'alice', list: false, recheck: false }
  for (let attempt = 0; attempt < 3; attempt++) {
    await t.rejects(queue.run(new AbortController().signal, caller, async () => { throw new Error('broken') }), { message: 'broken' })
  }
  t.equal(await queue.run(new AbortController().signal, caller, async () => 'fine'), 'fine')
})

t.test('a question that was given up keeps its user\'s place for a while, and nobody else\'s', async (t) => {
  const bench = setUp(10, LINGER_MS)
  for (const job of many(bench, 2, () => 'eve')) await job.giveUp()
  const next = bench.start('eve')
  t.notOk(await runs(next), 'the back end may still work on what she gave up')
  t.ok(await runs(bench.start('alice')))
  bench.advance(LINGER_MS - 1)
  t.notOk(await runs(next))
  bench.advance(1)
  t.ok(await runs(next))
})

t.test('who waits costs nothing while the places are taken: a place that comes free is offered to few, however many wait', async (t) => {
  for (const free of ['asking', 'rechecks'] as const) {
    let asked = 0
    const groups = createCallerGroups({ places: 10, slowMs: SLOW_MS, now: () => 0 })
    const queue = createCallQueue({
      groups: {
        ...groups,
        running (caller) {
          asked++
          return groups.running(caller)
        }
      },
      lingerMs: 0,
      now: () => 0
    })
    const ends: Array<() => void> = []
    const begin = (userId: string, recheck: boolean): void => {
      const work = async (): Promise<void> => { await new Promise<void>((resolve) => { ends.push(resolve) }) }
      void queue.run(new AbortController().signal, { userId, list: false, recheck }, work)
    }
    // Where only one kind waits, its own places are full while others are free.
    for (let n = 0; n < 400; n++) {
      begin(`user${n}`, free === 'rechecks')
      if (free === 'rechecks' && n % 2 === 0) begin(`other${n}`, false)
    }
    await settled()
    for (let completed = 0; completed < 20; completed++) {
      const before = asked
      const runningBefore = ends.length
      ends[completed]?.()
      await settled()
      t.equal(ends.length, runningBefore + 1)
      t.ok(asked - before <= 2, `${free}: ${asked - before} of hundreds were asked`)
    }
  }
})
