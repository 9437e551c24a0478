import t from 'tap'
import { createSampledLines } from '../../src/observe/sampled-lines.js'
import { until } from '../support/until.js'

type Line = readonly [kind: string, count: number, isLatest: boolean]

function setUp (periodMs: number) {
  const state = { nowMs: 0 }
  const written: Line[] = []
  const lines = createSampledLines({ periodMs, mostInPeriod: 2, now: () => state.nowMs })
  return {
    state,
    written,
    lines,
    note (kind: string, times = 1) { lines.note(kind, times, (...how) => { written.push([kind, ...how]) }) }
  }
}

t.test('each kind has its own lines in a period, and the next one counts what was held back', (t) => {
  const { note, written, state } = setUp(60_000)
  for (let n = 0; n < 5; n++) note('a')
  note('b', 7)
  state.nowMs = 60_000
  note('a')
  t.same(written, [['a', 1, true], ['a', 1, true], ['b', 7, true], ['a', 4, true]])
  t.end()
})

t.test('when nothing more comes, what was held back is told by a timer, once', async (t) => {
  const { note, written, lines } = setUp(20)
  for (let n = 0; n < 5; n++) note('a')
  await until('the count', () => written.length > 2)
  lines.close()
  t.same(written, [['a', 1, true], ['a', 1, true], ['a', 3, false]])
})

t.test('the count is the first line of the next period: a flood is one line in each', async (t) => {
  const [periodMs, atMs, counts] = [30, [] as number[], [] as number[]]
  const lines = createSampledLines({ periodMs, mostInPeriod: 1, now: () => performance.now() })
  let noted = 0
  const flood = setInterval(() => {
    noted++
    lines.note('a', 1, (count) => {
      atMs.push(performance.now())
      counts.push(count)
    })
  }, 1)
  await until('some lines', () => atMs.length > 8)
  clearInterval(flood)
  lines.close()
  const gapsMs = atMs.slice(1, 9).map((at, n) => at - (atMs[n] ?? 0))
  // A timer may come a little early; a second line of a period would come with the next event.
  t.same(gapsMs.filter(gapMs => gapMs < periodMs / 2), [])
  t.equal(counts.reduce((sum, count) => sum + count, 0), noted, 'each is told once')
})

t.test('nothing held back, nothing told, and the next one is told at once', async (t) => {
  const { note, written } = setUp(20)
  for (const times of [1, 1, 0]) note('a', times)
  note('b')
  for (let n = 0; n < 2; n++) note('b')
  await until('the period is over', () => written.length > 4)
  note('a')
  t.same(written.filter(([kind]) => kind === 'a'), [['a', 1, true], ['a', 1, true], ['a', 1, true]])
})

t.test('a timer that comes late tells nothing of the period after its own', async (t) => {
  const { note, written, state, lines } = setUp(60_000)
  for (let n = 0; n < 3; n++) note('a')
  state.nowMs = 60_000
  for (let n = 0; n < 4; n++) note('a')
  lines.close()
  t.same(written, [['a', 1, true], ['a', 1, true], ['a', 2, true], ['a', 1, true], ['a', 2, false]])
})

t.test('what was held back is told at close, and no timer is left', (t) => {
  const { note, written, lines } = setUp(60_000)
  for (let n = 0; n < 5; n++) note('a')
  for (let n = 0; n < 2; n++) note('b')
  lines.close()
  lines.close()
  t.same(written.slice(4), [['a', 3, false]])
  note('a')
  note('c')
  t.same(written.slice(5), [['a', 1, true], ['c', 1, true]], 'what comes later is told at once, and nothing waits for a timer')
  t.end()
})
