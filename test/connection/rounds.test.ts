import t from 'tap'
import { BUCKETS, createRegistry } from '../../src/connection/registry.js'
import { startRounds } from '../../src/connection/rounds.js'
import type { Session } from '../../src/connection/session.js'
import { until } from '../support/until.js'
import { openTestSession } from './stand-ins.js'

t.test('every connection is visited once in a round, a bucket at a time', async (t) => {
  const registry = createRegistry()
  const sessions = Array.from({ length: BUCKETS * 3 }, (_, n) => openTestSession(`user-${n}`).session)
  for (const session of sessions) registry.add(session)
  const visits: Session[][] = []
  const rota = startRounds(registry, BUCKETS, (bucket) => { visits.push([...bucket]) })
  t.teardown(() => { rota.stop() })
  await until('two rounds are done', () => visits.length >= BUCKETS * 2)
  const [first, second] = [visits.slice(0, BUCKETS), visits.slice(BUCKETS, BUCKETS * 2)]
  for (const round of [first, second]) {
    t.ok(round.every(bucket => bucket.length === 3))
    t.same(new Set(round.flat()).size, sessions.length)
  }
})

t.test('an empty bucket is nobody\'s turn', async (t) => {
  const registry = createRegistry()
  registry.add(openTestSession().session)
  const sizes: number[] = []
  const rota = startRounds(registry, BUCKETS, (bucket) => { sizes.push(bucket.size) })
  t.teardown(() => { rota.stop() })
  await until('its turn came twice', () => sizes.length >= 2)
  t.ok(sizes.every(size => size === 1))
})

t.test('a busy event loop does not stretch a round', async (t) => {
  const registry = createRegistry()
  for (let n = 0; n < BUCKETS; n++) registry.add(openTestSession(`user-${n}`).session)
  const periodMs = 20 * BUCKETS
  const busyMs = periodMs / 4
  let [visits, turns] = [0, 0]
  const rota = startRounds(registry, periodMs, () => { visits++ })
  t.teardown(() => { rota.stop() })
  await until('two rounds are done', () => {
    turns++
    const endMs = performance.now() + busyMs
    while (performance.now() < endMs) { /* no timer fires */ }
    return visits >= 2 * BUCKETS
  })
  t.ok(turns <= 16, `${turns} turns of a quarter of a round for two rounds; one bucket a turn would take ${2 * BUCKETS}`)
})

t.test('after a long pause nobody is visited more than once', async (t) => {
  const registry = createRegistry()
  for (let n = 0; n < BUCKETS; n++) registry.add(openTestSession(`user-${n}`).session)
  let visits = 0
  let visitsAtOnce = 0
  const rota = startRounds(registry, 2 * BUCKETS, () => {
    visits++
    // Runs before the next timer.
    setImmediate(() => { if (visitsAtOnce === 0) visitsAtOnce = visits })
  })
  t.teardown(() => { rota.stop() })
  const endMs = performance.now() + 20 * BUCKETS
  while (performance.now() < endMs) { /* ten rounds are missed */ }
  await until('there were visits', () => visitsAtOnce > 0)
  t.equal(visitsAtOnce, BUCKETS)
})

t.test('buckets whose turn has come are visited together, as many connections as may go at once, and none later than its round', async (t) => {
  const atOnce = 30
  const registry = createRegistry()
  const visits: number[] = []
  const rota = startRounds(registry, BUCKETS, ({ size }) => { visits.push(size) }, atOnce)
  t.teardown(() => { rota.stop() })
  for (let n = 0; n < BUCKETS / 4; n++) registry.add(openTestSession(`few-${n}`).session)
  await until('a round is done', () => visits.length >= 2)
  t.equal(visits.at(-1), BUCKETS / 4, 'few are one visit')
  for (let n = 0; n < 3 * BUCKETS; n++) registry.add(openTestSession(`more-${n}`).session)
  visits.length = 0
  await until('some rounds are done', () => visits.length >= 30)
  // The first may have begun before the others came.
  t.ok(visits.slice(1).every(size => size <= atOnce), String(visits))
  t.ok(visits.filter(size => size > atOnce / 2).length > visits.length / 2, 'most are full')
})

t.test('a bucket that is larger than what may go at once is visited all the same', async (t) => {
  const registry = createRegistry()
  for (let n = 0; n < 2 * BUCKETS; n++) registry.add(openTestSession(`user-${n}`).session)
  const visits: number[] = []
  const rota = startRounds(registry, BUCKETS, ({ size }) => { visits.push(size) }, 1)
  t.teardown(() => { rota.stop() })
  await until('a round is done', () => visits.length >= BUCKETS)
  t.same(new Set(visits), new Set([2]))
})
