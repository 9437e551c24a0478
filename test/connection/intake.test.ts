import t from 'tap'
import { createIntake } from '../../src/connection/intake.js'
import { refuse } from '../../src/refusals.js'
import type { PendingUpgrade } from '../../src/connection/transport.js'
import { createTestUpgrade, headOf } from './stand-ins.js'

/** What a turn of the event loop has room for, twice: as upgrades come, and of those that wait. */
const PER_TURN = 8

/** An intake by a clock of its own: beginning an upgrade takes a millisecond, and upgrades are told by their query. */
function setUp ({ maxPending = 1000, underWay = 0 } = {}) {
  let nowMs = 0
  let turn: (() => void) | null = null
  const lines: string[] = []
  const begun: string[] = []
  const pendings = new Map<string, PendingUpgrade>()
  const intake = createIntake({
    maxPending,
    underWay: () => underWay,
    begin: ({ head, onAborted }) => {
      begun.push(head.query)
      if (onAborted !== null) lines.push(`${head.query} is still heard leaving`)
      nowMs++
    },
    refuse: ({ head }, startedMs, { name, detail }) => { lines.push(`${head.query} ${name} ${detail ?? ''} after ${nowMs - startedMs} ms`) },
    abort: ({ head }, startedMs) => { lines.push(`${head.query} left after ${nowMs - startedMs} ms`) },
    now: () => nowMs,
    afterTurn: (callback) => {
      if (turn !== null) lines.push('a turn is asked for twice')
      turn = callback
    }
  })
  return {
    intake,
    lines,
    begun,
    /** Brings upgrades `first` to `last`, by number. */
    bring (first: number, last = first): void {
      for (let n = first; n <= last; n++) {
        const pending = createTestUpgrade(headOf(String(n)))
        pendings.set(String(n), pending)
        intake.take(pending)
      }
    },
    leave (n: number): void {
      const pending = pendings.get(String(n))
      pending?.onAborted?.()
    },
    /** Ends the turn; false: nobody waits for that. */
    endTurn (tookMs = 0): boolean {
      const callback = turn
      nowMs += tookMs
      turn = null
      callback?.()
      return callback !== null
    },
    pass (ms: number): void { nowMs += ms }
  }
}

const numbers = (first: number, last: number): string[] => Array.from({ length: last - first + 1 }, (_, i) => String(first + i))

t.test('as long as the turn has room nobody waits, and an idle process asks for no turn', async (t) => {
  const { intake, begun, bring, endTurn, lines } = setUp()
  bring(1, PER_TURN)
  t.same(begun, numbers(1, PER_TURN))
  t.equal(intake.waiting, 0)
  t.ok(endTurn())
  t.notOk(endTurn())
  t.same(lines, [])
})

t.test('a burst is begun whole, in its order, a part in each turn', async (t) => {
  const { intake, begun, bring, endTurn, lines } = setUp()
  bring(1, 24)
  t.same(begun, numbers(1, PER_TURN))
  t.equal(intake.waiting, 16)
  endTurn()
  t.same(begun, numbers(1, 2 * PER_TURN))
  endTurn()
  t.same(begun, numbers(1, 24))
  t.equal(intake.waiting, 0)
  endTurn()
  t.notOk(endTurn(), 'and then all is quiet')
  t.same(lines, [])
})

t.test('nobody who waits is refused in a burst, but those who came last go first once the oldest has waited for long', async (t) => {
  const { intake, begun, bring, endTurn, lines } = setUp()
  bring(1, 100)
  while (begun.length < 40) endTurn(5)
  bring(101, 104)
  endTurn()
  t.same(begun.slice(-8).slice(0, 4), ['104', '103', '102', '101'])
  while (intake.waiting > 0) endTurn(5)
  t.same([...begun].sort((a, b) => Number(a) - Number(b)), numbers(1, 104))
  t.same(lines, [])
})

t.test('once more have come than may be pending, who has waited too long is refused, and who comes is begun', async (t) => {
  const { intake, begun, bring, endTurn, lines } = setUp({ maxPending: 200 })
  let brought = 0
  const flood = (turns: number): void => {
    for (let turn = 0; turn < turns; turn++) {
      bring(brought + 1, brought + 20)
      brought += 20
      endTurn(10)
    }
  }
  flood(10)
  t.same(lines, [], 'no more than may wait: this may be a burst')
  flood(2)
  const refusedBefore = lines.length
  begun.length = 0
  flood(20)
  const late = lines.slice(refusedBefore)
  t.ok(late.length > 50, `${late.length} were refused`)
  t.ok(late.every(line => /overloaded upgrade rate after \d+ ms$/.test(line)), late.find(line => !line.includes('upgrade rate')) ?? '')
  t.ok(begun.length >= 20 * PER_TURN, `${begun.length} were begun: refusing takes nobody's place`)
  while (intake.waiting > 0) endTurn(10)
  t.equal(new Set([...begun, ...late.map(line => line.split(' ')[0])]).size, begun.length + late.length, 'each has one outcome')
})

t.test('a burst that takes longer than a second is begun whole all the same: nobody came after it', async (t) => {
  const { intake, begun, bring, endTurn, lines } = setUp()
  bring(1, 200)
  while (intake.waiting > 0) endTurn(100)
  t.same([...begun].sort((a, b) => Number(a) - Number(b)), numbers(1, 200))
  t.same(lines, [])
})

t.test('a line that was empty in between is a new burst', async (t) => {
  const { intake, bring, endTurn, lines, pass } = setUp()
  bring(1, 24)
  while (intake.waiting > 0) endTurn()
  endTurn()
  pass(5000)
  bring(25, 48)
  while (intake.waiting > 0) endTurn(100)
  t.same(lines, [])
})

t.test('no more wait than may be pending: the oldest makes room, and is refused as the turn ends, never in the callback of another', async (t) => {
  const { intake, bring, lines, endTurn } = setUp({ maxPending: 20, underWay: 10 })
  bring(1, PER_TURN + 10)
  t.equal(intake.waiting, 10)
  bring(PER_TURN + 11)
  t.equal(intake.waiting, 10)
  t.same(lines, [])
  endTurn()
  t.same(lines, [`${PER_TURN + 1} overloaded pending upgrades after 0 ms`])
})

t.test('who leaves before that is refused no more, and nobody is forgotten where all are refused', async (t) => {
  const { intake, bring, leave, lines, endTurn } = setUp({ maxPending: 20, underWay: 10 })
  bring(1, PER_TURN + 12)
  leave(PER_TURN + 1)
  t.equal(intake.waiting, 10)
  endTurn()
  t.same(lines, [`${PER_TURN + 1} left after 0 ms`, `${PER_TURN + 2} overloaded pending upgrades after 0 ms`])
  bring(100, 111)
  lines.length = 0
  intake.refuseAll(refuse('restarting', { retryAfterMs: 1000 }))
  t.equal(lines.filter(line => line.includes('overloaded')).length, 4)
  t.equal(lines.filter(line => line.includes('restarting')).length, 10)
})

t.test('who leaves leaves the line at once, wherever it stands', async (t) => {
  const { intake, begun, bring, leave, endTurn, lines, pass } = setUp()
  bring(1, 20)
  pass(2)
  for (const n of [9, 15, 20]) leave(n)
  t.same(lines, ['9', '15', '20'].map(n => `${n} left after 2 ms`))
  t.equal(intake.waiting, 9)
  while (intake.waiting > 0) endTurn()
  t.same(begun, numbers(1, 20).filter(n => !['9', '15', '20'].includes(n)))
  bring(21, 40)
  for (let n = 21 + PER_TURN; n <= 40; n++) leave(n)
  t.equal(intake.waiting, 0)
  endTurn()
  endTurn()
  t.same(begun.slice(-PER_TURN), numbers(21, 20 + PER_TURN))
  bring(41)
  t.equal(begun.at(-1), '41', 'nobody waits behind those who are gone')
})

t.test('all that wait can be refused at once', async (t) => {
  const { intake, bring, lines, endTurn, begun } = setUp()
  bring(1, 20)
  intake.refuseAll(refuse('restarting', { retryAfterMs: 1000 }))
  t.same(lines.map(line => line.split(' ').slice(0, 2).join(' ')), numbers(9, 20).map(n => `${n} restarting`))
  endTurn()
  t.same(begun, numbers(1, PER_TURN))
})

t.test('what throws takes no other along: the line goes on', async (t) => {
  let turn: (() => void) | null = null
  let nowMs = 0
  const begun: string[] = []
  const intake = createIntake({
    maxPending: 100,
    underWay: () => 0,
    begin: ({ head }) => {
      begun.push(head.query)
      nowMs += 5
      if (head.query === '3') throw new Error('a fault')
    },
    refuse: () => {},
    abort: () => {},
    now: () => nowMs,
    afterTurn: (callback) => { turn = callback }
  })
  const endTurn = (): void => { turn?.() }
  for (const query of ['1', '2', '3', '4']) intake.take(createTestUpgrade(headOf(query)))
  t.throws(endTurn, { message: 'a fault' })
  endTurn()
  t.same(begun, ['1', '2', '3', '4'])
})
