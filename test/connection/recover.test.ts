import t from 'tap'
import { findBeginnings, tellBeginnings, type Wish } from '../../src/connection/recover.js'

const EPOCH = 'abc'

t.test('of the newest events no more are given than were asked for, though more were published while they were read', async (t) => {
  const log = { offset: 5 }
  const logs = {
    positionOf: () => ({ epoch: EPOCH, offset: log.offset }),
    reach: async () => true,
    async reachLast (_topic: string, count: number) {
      const from = { epoch: EPOCH, offset: log.offset - count }
      log.offset += 4
      return from
    }
  }
  const wish: Wish = { since: new Map(), last: 3, moment: 0, kept: new Map([['agent', 200], ['task', 200]]) }
  const found = await findBeginnings(logs, ['agent:1'], wish)
  const { told, beginnings } = tellBeginnings(logs, found, wish, () => true)
  t.same(told, { positions: { 'agent:1': 'abc:9' }, recovered: {} })
  t.same([...beginnings], [['agent:1', { epoch: EPOCH, offset: 6 }]])
})
