import t from 'tap'
import { createLingering } from '../../src/connection/lingering.js'

t.test('closed sockets count as long as they can last, and no more than may are closed meanwhile', async (t) => {
  let nowMs = 0
  const lingering = createLingering({ max: 2, lingerMs: 10, now: () => nowMs })
  t.same([lingering.add(), lingering.add(), lingering.add()], [true, true, false])
  t.equal(lingering.count, 2)
  nowMs = 9
  t.equal(lingering.add(), false)
  nowMs = 10
  t.equal(lingering.count, 0)
  const rounds = Array.from({ length: 99 }, (_, index) => index + 1)
  t.same(rounds.filter((round) => {
    nowMs = round * 10
    return !(lingering.add() && lingering.add() && !lingering.add() && lingering.count === 2)
  }), [], 'the same in each round')
})
