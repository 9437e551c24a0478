import t from 'tap'
import { createShortageLines } from '../../src/gateway/shortage-lines.js'
import { until } from '../support/until.js'

function setUp (quietMs: number) {
  const state = { nowMs: 0 }
  const told: unknown[] = []
  const lines = createShortageLines({
    onBegin: () => { told.push('begins') },
    onEnd: (durationMs, count) => { told.push({ durationMs, count }) },
    quietMs,
    now: () => state.nowMs
  })
  t.teardown(() => { lines.close() })
  return { state, told, lines }
}

t.test('a shortage that comes and goes is two lines, and its end is told', async (t) => {
  const { state, told, lines } = setUp(30)
  for (let n = 0; n < 5; n++) {
    lines.begin()
    state.nowMs += 100
    lines.end()
  }
  t.same(told, ['begins'])
  await until('its end is told', () => told.length === 2)
  t.same(told[1], { durationMs: 500, count: 5 })
  lines.begin()
  t.same(told[2], 'begins', 'a later one is another')
})

t.test('while it is short, no end is told; nor after a close', async (t) => {
  const { told, lines } = setUp(1)
  lines.begin()
  lines.end()
  lines.begin()
  const other = setUp(1)
  other.lines.begin()
  other.lines.end()
  other.lines.close()
  const last = setUp(1)
  last.lines.begin()
  last.lines.end()
  await until('a quiet time is over', () => last.told.length === 2)
  t.same([told, other.told], [['begins'], ['begins']])
})
