import t from 'tap'
import { BUCKETS, createRegistry } from '../../src/connection/registry.js'
import { startRota } from '../../src/connection/rota.js'
import type { Session } from '../../src/connection/session.js'
import { until } from '../support/until.js'
import { openTestSession } from './stand-ins.js'

t.test('every connection is visited once in a round, a bucket at a time', async (t) => {
  const registry = createRegistry()
  const sessions = Array.from({ length: BUCKETS * 3 }, () => openTestSession().session)
  for (const session of sessions) registry.add(session)
  const visits: Session[][] = []
  const rota = startRota(registry, BUCKETS, (bucket) => { visits.push([...bucket]) })
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
  let visits = 0
  const rota = startRota(registry, BUCKETS, (bucket) => { visits += bucket.size })
  t.teardown(() => { rota.stop() })
  await until('its turn came', () => visits === 1)
})
