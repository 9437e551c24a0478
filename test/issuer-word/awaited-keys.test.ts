import t from 'tap'
import { createAwaitedKeys, type Waiting } from '../../src/issuer-word/awaited-keys.js'
import { createSigner } from '../tokens/statement-fixture.js'

/** A list whose clock and timers are the test's, of an issuer whose keys come when the test says so. */
function setStage () {
  const { keys } = createSigner()
  const fetches = { ok: 0, failed: 0, hurried: 0, refreshed: 0 }
  const source = {
    ...keys.source,
    status: () => ({ name: 'main', tried: true, usable: true, ageS: 0, fetches }),
    hurry: () => {
      fetches.hurried++
      return null
    },
    refresh: () => {
      fetches.refreshed++
      return null
    }
  }
  const dropped: string[] = []
  const judged: string[] = []
  const known = new Set<string>()
  let nowMs = 0
  let tick: (() => void) | null = null
  const awaited = createAwaitedKeys({
    judgeAgain (statement) {
      judged.push(statement.token)
      statement.missed = !known.has(statement.token)
      return known.has(statement.token)
    },
    onDropped: ({ token }, why) => { dropped.push(`${token} ${why}`) },
    now: () => nowMs,
    timers: {
      after (_ms, call) {
        tick = () => {
          tick = null
          call()
        }
        return () => { tick = null }
      }
    }
  })
  const waiting = (token: string, from: string): Waiting =>
    ({ token, address: { ip: from, key: from }, keys: { ...keys, source }, arrivedAtMs: nowMs, fetchesSeen: fetches.ok, missed: false })
  const pass = (ms: number): void => {
    nowMs += ms
    tick?.()
  }
  return { awaited, fetches, dropped, judged, known, waiting, pass, isTicking: () => tick !== null }
}

t.test('it is judged again once keys have come, and only then', async (t) => {
  const { awaited, fetches, judged, known, waiting, pass } = setStage()
  awaited.add(waiting('a', '192.0.2.1'))
  pass(1000)
  t.same([judged, fetches.hurried], [[], 1])
  known.add('a')
  fetches.ok++
  pass(1000)
  t.same([judged, awaited.size], [['a'], 0])
})

t.test('one whose key did not come is worth no hurry any more, and is judged by later keys all the same', async (t) => {
  const { awaited, fetches, judged, known, waiting, pass } = setStage()
  awaited.add(waiting('a', '192.0.2.1'))
  fetches.ok++
  pass(1000)
  t.same([judged, fetches.hurried, fetches.refreshed], [['a'], 0, 1])
  known.add('a')
  fetches.ok++
  pass(1000)
  t.same([judged, awaited.size], [['a', 'a'], 0])
})

t.test('after five minutes it is forgotten, and nothing ticks while nothing waits', async (t) => {
  const { awaited, dropped, waiting, pass, isTicking } = setStage()
  awaited.add(waiting('a', '192.0.2.1'))
  pass(300_000)
  t.equal(awaited.size, 1)
  pass(1)
  t.same([awaited.size, dropped], [0, ['a too_old']])
  t.equal(isTicking(), false)
})

t.test('a flood from one address pushes out its own, and never another\'s', async (t) => {
  const { awaited, dropped, waiting } = setStage()
  awaited.add(waiting('good', '192.0.2.1'))
  for (let n = 0; n < 1500; n++) awaited.add(waiting(`made-up-${n}`, '198.51.100.9'))
  t.equal(awaited.size, 1000)
  t.same([dropped.length, dropped[0], dropped.includes('good crowded_out')], [501, 'made-up-0 crowded_out', false])
  awaited.close()
  t.same([awaited.size, dropped.includes('good unheard')], [0, true])
})
