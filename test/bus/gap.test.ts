import t from 'tap'
import { createGapTracker } from '../../src/bus/gap.js'

t.test('a gap lasts from the last moment that was good, not from the one at which it was noticed', async (t) => {
  const told: unknown[] = []
  let nowMs = 50_000
  const onGap = (topics: number, sinceMs: number): void => { told.push([topics, sinceMs]) }
  const gap = createGapTracker({ onGap, onGapEnd: (ended) => { told.push(ended) } }, () => nowMs)
  gap.lose([], 1)
  gap.lose(['a', 'b'], 37_000)
  gap.lose(['c'], 45_000)
  gap.lose(['d'], 30_000)
  nowMs += 57
  for (const topic of ['a', 'b', 'c', 'd']) gap.regain(topic)
  t.same(told, [[2, 37_000], { topics: 4, durationMs: 20_057 }], 'another connection may have been bad for longer')
  gap.lose(['a'], 60_000)
  nowMs = 61_000
  gap.regain('a')
  t.same(told.slice(2), [[1, 60_000], { topics: 1, durationMs: 1000 }], 'and the next gap is one of its own')
})
