import t from 'tap'
import { BUCKETS, createRegistry } from '../../src/connection/registry.js'
import { openTestSession } from './stand-ins.js'

t.test('a connection is found by its user until it is removed, once', async (t) => {
  const registry = createRegistry()
  const [a, b, c] = ['alice', 'alice', 'bob'].map(user => openTestSession(user).session)
  t.ok(a && b && c)
  for (const session of [a, b, c]) if (session !== undefined) registry.add(session)
  t.equal(registry.size, 3)
  t.equal(registry.countOf('alice'), 2)
  t.same([...registry.ofOwner('alice')], [a, b])
  t.same([...registry.ofOwner('nobody')], [])
  t.ok(a !== undefined && registry.remove(a))
  t.notOk(a !== undefined && registry.remove(a), 'a second close changes nothing')
  t.equal(registry.countOf('alice'), 1)
  t.equal(registry.size, 2)
  t.equal(registry.countOf('nobody'), 0)
})

t.test('users are counted by whose slot they hold, so anonymous addresses stay apart', async (t) => {
  const registry = createRegistry()
  const { session } = openTestSession('alice')
  registry.add(Object.assign(session, { lease: { owner: 'anonymous\u0000192.0.2.1', connectionId: session.connectionId } }))
  t.equal(registry.countOf('alice'), 0)
  t.equal(registry.countOf('anonymous\u0000192.0.2.1'), 1)
})

t.test('connections spread evenly over the buckets, and every one is in exactly one', async (t) => {
  const registry = createRegistry()
  const sessions = Array.from({ length: BUCKETS * 5 }, (_, n) => openTestSession(`user-${n}`).session)
  for (const session of sessions) registry.add(session)
  const buckets = Array.from({ length: BUCKETS }, (_, index) => registry.bucket(index))
  t.ok(buckets.every(bucket => bucket.size === 5))
  t.equal(new Set(buckets.flatMap(bucket => [...bucket])).size, sessions.length)
  for (const session of registry.all()) registry.remove(session)
  t.ok(buckets.every(bucket => bucket.size === 0), 'and they may be removed while all are visited')
  t.equal(registry.size, 0)
  t.same([...registry.bucket(99)], [])
})

t.test('an owner\'s connections are in one bucket, but for those of an owner with many', async (t) => {
  const registry = createRegistry()
  const add = (user: string): number => {
    const { session } = openTestSession(user)
    registry.add(session)
    return session.bucket
  }
  const first = add('alice')
  for (let n = 0; n < 10; n++) add(`other-${n}`)
  t.same(Array.from({ length: 4 }, () => add('alice')), [first, first, first, first])
  for (let n = 0; n < 100 * BUCKETS; n++) add('office')
  const sizes = Array.from({ length: BUCKETS }, (_, index) => registry.bucket(index).size)
  t.ok(Math.max(...sizes) < 120, 'nobody\'s are a burst')
})

t.test('owners of one place are in one bucket', async (t) => {
  const places: Readonly<Record<string, number>> = { alice: 5, bob: 5 + BUCKETS, carol: 6 }
  const registry = createRegistry(owner => places[owner] ?? 0)
  const buckets = ['alice', 'bob', 'carol', 'alice'].map((user) => {
    const { session } = openTestSession(user)
    registry.add(session)
    return session.bucket
  })
  t.same(buckets, [5, 5, 6, 5])
})
