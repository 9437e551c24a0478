import t from 'tap'
import type { IntrospectionAnswer } from '../../src/tokens/introspect.js'
import { createIntrospectionDesk, type IntrospectionDesk } from '../../src/tokens/introspection-desk.js'
import type { SharedAnswer } from '../../src/tokens/shared-answers.js'
import { createTestTimers, type TestTimers } from '../support/test-timers.js'

interface Started {
  readonly desk: IntrospectionDesk
  readonly timers: TestTimers
  readonly outcomes: string[]
  /** What was told to the others, with the age of the question. */
  readonly kept: unknown[]
  readonly counts: { asked: number, begun: number }
}

/** `takes`: what is known elsewhere at each look; null: that cannot be told. */
function start (takes: Array<SharedAnswer | null>, answer: IntrospectionAnswer = { kind: 'active' }): Started {
  const timers = createTestTimers()
  const outcomes: string[] = []
  const kept: unknown[] = []
  const counts = { asked: 0, begun: 0 }
  const desk = createIntrospectionDesk({
    introspector: {
      async ask () {
        counts.asked++
        timers.advance(40)
        return answer
      },
      close () {}
    },
    pace: {
      async take () {
        counts.begun++
        return { giveBack () { counts.begun-- } }
      },
      close () {}
    },
    shared: {
      async take () {
        const taken = takes.shift() ?? null
        if (taken === null) throw new Error('away')
        return taken
      },
      async keep (_token, told, ageMs) { kept.push([told, ageMs]) }
    },
    patienceMs: 5000,
    onOutcome: (outcome) => { outcomes.push(outcome) },
    now: timers.now,
    timers
  })
  return { desk, timers, outcomes, kept, counts }
}

t.test('what another process was told is no question to the issuer, and as old as it is', async (t) => {
  const { desk, timers, outcomes, counts } = start([{ kind: 'active', ageMs: 7000 }])
  t.same(await desk.ask('token', 'arriving', 30_000), { kind: 'active', askedAtMs: timers.now() - 7000 })
  t.same([counts, outcomes], [{ asked: 0, begun: 0 }, ['shared']], 'and its turn is another\'s')
})

t.test('an answer counts from the moment of the question, and the others are told its age', async (t) => {
  const { desk, timers, kept, outcomes } = start([{ kind: 'ours' }])
  const atMs = timers.now()
  t.same(await desk.ask('token', 'open', 0), { kind: 'active', askedAtMs: atMs })
  t.same([kept, outcomes], [[['active', 40]], ['active']])
})

t.test('while another process asks it is waited for, and no longer than the time-out', async (t) => {
  const { desk, timers, counts } = start([{ kind: 'claimed', forMs: 4000 }, { kind: 'claimed', forMs: 3900 }, { kind: 'inactive', ageMs: 1 }])
  const answer = desk.ask('token', 'arriving', 30_000)
  for (let i = 0; i < 3; i++) {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    timers.advance(100)
  }
  t.equal((await answer).kind, 'inactive')
  t.equal(counts.asked, 0)
  const stuck = start(Array.from({ length: 100 }, () => ({ kind: 'claimed', forMs: 4000 }) as const))
  const late = stuck.desk.ask('token', 'arriving', 30_000)
  for (let i = 0; i < 60; i++) {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    stuck.timers.advance(100)
  }
  t.equal((await late).kind, 'active')
  t.equal(stuck.counts.asked, 1)
})

t.test('where sharing fails, this process asks for itself', async (t) => {
  const { desk, counts } = start([null])
  t.equal((await desk.ask('token', 'open', 0)).kind, 'active')
  t.equal(counts.asked, 1)
})

t.test('a question without an answer is told as none, so that another process may ask', async (t) => {
  const failure = { kind: 'failed', fault: 'status', detail: '500' } as const
  const { desk, kept, outcomes } = start([{ kind: 'ours' }], failure)
  t.same(await desk.ask('token', 'open', 0), failure)
  t.same([kept, outcomes], [[[null, 40]], ['failed']])
})

t.test('of one token one question is under way for each kind', async (t) => {
  const { desk, counts } = start([{ kind: 'ours' }, { kind: 'ours' }])
  await Promise.all([desk.ask('token', 'open', 0), desk.ask('token', 'open', 0), desk.ask('token', 'arriving', 0)])
  t.equal(counts.asked, 2)
})
