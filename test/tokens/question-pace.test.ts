import t from 'tap'
import { createQuestionPace, type QuestionKind, type QuestionPace, type Turn } from '../../src/tokens/question-pace.js'
import { createTestTimers, type TestTimers } from '../support/test-timers.js'

interface Started {
  readonly pace: QuestionPace
  readonly timers: TestTimers
  readonly turns: Turn[]
  /** Who had a turn, and who was told that there is none. */
  readonly order: string[]
  ask (kind: QuestionKind, name: string): Promise<void>
}

function start (perS: number, maxArriving = 100): Started {
  const timers = createTestTimers()
  const pace = createQuestionPace({ perS, maxArriving, now: timers.now, timers })
  const turns: Turn[] = []
  const order: string[] = []
  async function ask (kind: QuestionKind, name: string): Promise<void> {
    const turn = await pace.take(kind)
    if (turn !== null) turns.push(turn)
    order.push(turn === null ? `no ${name}` : name)
  }
  return { pace, timers, turns, order, ask }
}
const settled = async (): Promise<void> => { for (let i = 0; i < 5; i++) await Promise.resolve() }

t.test('in no second more questions begin than are allowed, whenever that second begins', async (t) => {
  const { timers, order, ask } = start(3)
  const begunAtMs: number[] = []
  const startMs = timers.now()
  for (let i = 0; i < 10; i++) void ask('open', String(i)).then(() => { begunAtMs.push(timers.now()) })
  for (let ms = 0; ms < 5000; ms += 50) {
    await settled()
    timers.advance(50)
  }
  await settled()
  t.equal(order.length, 10)
  t.same(begunAtMs.filter(fromMs => begunAtMs.filter(ms => ms >= fromMs && ms < fromMs + 1000).length > 3), [])
  t.ok((begunAtMs.at(-1) ?? Infinity) <= startMs + 3100, 'and none waits longer than it must')
})

t.test('those who arrive and open connections take turns, so that neither starves', async (t) => {
  const { timers, order, ask } = start(1)
  for (const name of ['a0', 'a1', 'a2', 'a3']) void ask('arriving', name)
  for (const name of ['o1', 'o2']) void ask('open', name)
  for (let s = 0; s < 6; s++) {
    await settled()
    timers.advance(1000)
  }
  await settled()
  t.same(order, ['a0', 'o1', 'a1', 'o2', 'a2', 'a3'])
})

t.test('a turn that is given back is the next one\'s at once', async (t) => {
  const { order, turns, ask } = start(1)
  void ask('open', 'first')
  void ask('open', 'second')
  await settled()
  t.same(order, ['first'])
  turns[0]?.giveBack()
  turns[0]?.giveBack()
  await settled()
  t.same(order, ['first', 'second'])
  void ask('open', 'third')
  await settled()
  t.same(order, ['first', 'second'], 'giving back twice gives one turn')
})

t.test('beyond those who can be served in time nobody waits, and after the end nobody at all', async (t) => {
  const { pace, order, ask } = start(1, 1)
  for (const name of ['served', 'waits', 'too many']) void ask('arriving', name)
  await settled()
  t.same(order.toSorted(), ['no too many', 'served'])
  pace.close()
  await settled()
  t.ok(order.includes('no waits'))
  await ask('open', 'late')
  t.ok(order.includes('no late'))
})
