import t from 'tap'
import { createDelayJudge, createEventLoopWatch } from '../../src/observe/event-loop-delay.js'
import { until } from '../support/until.js'

function startJudge () {
  const told: string[] = []
  const judge = createDelayJudge({
    onLate: (delayMs) => { told.push(`late by ${delayMs}`) },
    onRecovered: (lateMs) => { told.push(`recovered after ${lateMs}`) }
  })
  let atMs = 0
  /** Lets the loop turn so often, each time so late. */
  const turn = (times: number, delayMs: number): void => {
    for (let i = 0; i < times; i++) judge.sample(atMs += 50 + delayMs, delayMs)
  }
  return { judge, told, turn }
}

t.test('a loop that is on time, or a little late, is never late', async (t) => {
  const { judge, told, turn } = startJudge()
  turn(1000, 0)
  turn(1000, 499)
  t.equal(judge.isLate(), false)
  t.same(told, [])
})

t.test('one pause, however long, refuses nobody, as the first thing or later', async (t) => {
  const { told, turn } = startJudge()
  turn(1, 60_000)
  turn(30, 0)
  turn(1, 60_000)
  turn(2, 0)
  t.same(told, [])
})

t.test('long turns among short ones count as soon as they are the most', async (t) => {
  const { told, turn } = startJudge()
  turn(40, 0)
  turn(3, 500)
  t.same(told, [], 'most measurements of the last two seconds were good')
  turn(1, 500)
  t.same(told, ['late by 500'])
})

t.test('turns longer than the window are judged by the last five', async (t) => {
  const { told, turn } = startJudge()
  turn(40, 0)
  turn(2, 5000)
  t.same(told, [])
  turn(1, 5000)
  t.same(told, ['late by 5000'])
})

t.test('it has recovered only after a whole second of calm, and is told once each time', async (t) => {
  const { judge, told, turn } = startJudge()
  turn(10, 600)
  t.ok(judge.isLate())
  turn(3, 0)
  t.ok(judge.isLate(), 'not yet for a second')
  turn(10, 300)
  turn(15, 0)
  t.ok(judge.isLate(), 'between the two bounds is no calm')
  turn(40, 0)
  t.notOk(judge.isLate())
  t.equal(told.length, 2)
  t.match(told[1], /^recovered after \d+$/)
  turn(10, 600)
  t.equal(told.length, 3)
})

t.test('a loop that is really kept busy is found late, and found well again', async (t) => {
  let recovered = false
  const watch = createEventLoopWatch({ onLate: () => {}, onRecovered: () => { recovered = true } })
  watch.start()
  t.teardown(watch.stop)
  await until('it is late', () => {
    const endMs = performance.now() + 600
    while (performance.now() < endMs);
    return watch.isLate()
  })
  await until('it has recovered', () => recovered)
  t.notOk(watch.isLate())
})
