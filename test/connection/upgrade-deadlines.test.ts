import t from 'tap'
import { createUpgradeDeadlines } from '../../src/connection/upgrade-deadlines.js'
import { until } from '../support/until.js'

t.test('what is still there by its deadline falls due, oldest first, and is off by then', async (t) => {
  let nowMs = 0
  const due: string[] = []
  const deadlines = createUpgradeDeadlines<string>(5, (item) => { due.push(`${item} of ${deadlines.size + 1}`) }, () => nowMs)
  deadlines.add('a', 0)
  deadlines.add('b', 0)
  nowMs = 3
  deadlines.add('c', 3)
  t.equal(deadlines.size, 3)
  nowMs = 5
  await until('the first two fell due', () => due.length === 2)
  t.same(due, ['a of 3', 'b of 2'])
  t.equal(deadlines.size, 1, 'the third has time left')
  nowMs = 8
  await until('the third fell due', () => due.length === 3)
  t.equal(deadlines.size, 0)
})

t.test('what was answered in time never falls due, and frees its place at once', async (t) => {
  let nowMs = 0
  const due: string[] = []
  const deadlines = createUpgradeDeadlines<string>(5, (item) => { due.push(item) }, () => nowMs)
  const [a, b] = ['a', 'b', 'c'].map(item => deadlines.add(item, 0))
  t.ok(a && b)
  for (const deadline of [b, a, b, a]) if (deadline !== undefined) deadlines.remove(deadline)
  t.equal(deadlines.size, 1)
  nowMs = 100
  await until('the last fell due', () => due.length > 0)
  t.same(due, ['c'])
})

t.test('a hundred thousand pass through and leave nothing', async (t) => {
  const deadlines = createUpgradeDeadlines<number>(60_000, () => {})
  for (let item = 0; item < 100_000; item++) {
    deadlines.remove(deadlines.add(item, performance.now()))
  }
  t.equal(deadlines.size, 0)
})

t.test('any of them may go first, and the rest stays in order', async (t) => {
  const deadlines = createUpgradeDeadlines<number>(60_000, () => {})
  const added = Array.from({ length: 6 }, (_, item) => deadlines.add(item, performance.now()))
  for (const [gone, left] of [[2, [0, 1, 3, 4, 5]], [5, [0, 1, 3, 4]], [0, [1, 3, 4]], [3, [1, 4]], [4, [1]], [1, []]] as const) {
    const deadline = added[gone]
    if (deadline !== undefined) deadlines.remove(deadline)
    t.same(deadlines.all(), left)
  }
  deadlines.add(7, 0)
  t.same(deadlines.all(), [7])
})

t.test('what came earlier falls due earlier, though it is added later', async (t) => {
  let nowMs = 100
  const due: string[] = []
  const deadlines = createUpgradeDeadlines<string>(50, (item) => { due.push(item) }, () => nowMs)
  deadlines.add('newest', 100)
  deadlines.add('oldest', 60)
  deadlines.add('middle', 80)
  t.same(deadlines.all(), ['oldest', 'middle', 'newest'])
  nowMs = 110
  await until('the oldest fell due', () => due.length > 0)
  t.same(due, ['oldest'])
  nowMs = 150
  await until('all fell due', () => due.length === 3)
  t.same(due, ['oldest', 'middle', 'newest'])
})
