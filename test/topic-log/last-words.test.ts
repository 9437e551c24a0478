import t from 'tap'
import type { Head } from '../../src/history/history.js'
import { createLastWords } from '../../src/topic-log/last-words.js'
import { until } from '../support/until.js'

t.test('a renewal that a publication made void is asked for again, with the head as it is then', async (t) => {
  const seen: number[] = []
  const head = (epoch: string, top: number): Head => ({ epoch, top, topAtMs: top })
  const answers = [head('old', 8), head('old', 9), head('new', 0)]
  const words = createLastWords({
    history: {
      readHeads: async () => [{ status: 'fulfilled', value: { ...head('old', 7), isKept: false } }],
      async renew (_topic, { top }) {
        seen.push(top)
        return answers.shift() ?? head('new', 0)
      }
    },
    timers: { after: () => () => {} },
    onUnreadable: (error) => { t.fail(String(error)) }
  })
  words.say('agent:1', 'old')
  await until('the numbering is another one', () => answers.length === 0)
  t.same(seen, [7, 8, 9])
})
