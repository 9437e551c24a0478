import type { Test } from 'tap'
import type { LimitSettings } from '../../src/limits/limiter.js'
import { offenders } from '../support/offenders.js'
import { countAdmitted, type MakeSubject } from './limiter-conformance.js'

const ADDRESS = '192.0.2.1'
const leaseOf = (owner: string, connectionId: string) => ({ address: null, lease: { owner, connectionId } })

/** What a user's slots do with every limiter. */
export function testUsers (t: Test, make: MakeSubject, settings: LimitSettings): void {
  t.test('a user gets five slots, and a sixth when one is given back', async (t) => {
    const { limiter } = await make(t, settings)
    t.equal(await countAdmitted(Array.from({ length: 100 }, async (_, i) => await limiter.admit(leaseOf('alice', `c${i}`)))), 5)
    t.same(await limiter.admit(leaseOf('alice', 'late')), { admitted: false, limit: 'user', retryAfterMs: 5000 })
    t.ok((await limiter.admit(leaseOf('bob', 'b1'))).admitted)
    limiter.release({ owner: 'alice', connectionId: 'c0' })
    t.ok((await limiter.admit(leaseOf('alice', 'c5'))).admitted, 'released in the same tick, and first')
    t.notOk((await limiter.admit(leaseOf('alice', 'c6'))).admitted)
  })

  t.test('giving back twice, or what was never taken, gives back once', async (t) => {
    const { limiter } = await make(t, settings)
    await countAdmitted(['a', 'b', 'c', 'd', 'e'].map(async (id) => await limiter.admit(leaseOf('alice', id))))
    for (const id of ['a', 'a', 'never']) limiter.release({ owner: 'alice', connectionId: id })
    t.ok((await limiter.admit(leaseOf('alice', 'f'))).admitted)
    t.notOk((await limiter.admit(leaseOf('alice', 'g'))).admitted)
  })

  t.test('the same connection twice holds one lease', async (t) => {
    const { limiter } = await make(t, settings)
    for (let i = 0; i < 7; i++) t.ok((await limiter.admit(leaseOf('alice', 'same'))).admitted)
    t.equal(await countAdmitted(['b', 'c', 'd', 'e', 'f'].map(async (id) => await limiter.admit(leaseOf('alice', id)))), 4)
  })

  t.test('a lease lapses by itself, and lives on while it is renewed', async (t) => {
    const { limiter, clock } = await make(t, { ...settings, userConnections: 2 })
    await countAdmitted(['kept', 'dead'].map(async (id) => await limiter.admit(leaseOf('alice', id))))
    for (let i = 0; i < 3; i++) {
      clock.advance(settings.leaseMs - 1)
      await limiter.renew([{ owner: 'alice', connectionId: 'kept' }])
    }
    t.ok((await limiter.admit(leaseOf('alice', 'new'))).admitted, 'the slot of the dead one is free')
    t.notOk((await limiter.admit(leaseOf('alice', 'another'))).admitted, 'a socket older than a lease still counts')
  })

  t.test('renewing registers again a lease that the store has lost, also over the limit', async (t) => {
    const { limiter } = await make(t, { ...settings, userConnections: 2 })
    await limiter.renew(['a', 'b', 'c'].map((connectionId) => ({ owner: 'alice', connectionId })))
    t.notOk((await limiter.admit(leaseOf('alice', 'd'))).admitted)
  })

  t.test('the address decides first: its refusal takes no lease, and a refused lease leaves its count', async (t) => {
    const { limiter } = await make(t, { ...settings, addressConnections: 3, userConnections: 1 })
    const both = (connectionId: string) => ({ address: ADDRESS, lease: { owner: 'alice', connectionId } })
    t.same(await limiter.admit(both('a')), { admitted: true })
    t.match(await limiter.admit(both('b')), { admitted: false, limit: 'user' })
    t.match(await limiter.admit(both('c')), { admitted: false, limit: 'user' })
    limiter.release({ owner: 'alice', connectionId: 'a' })
    t.match(await limiter.admit(both('d')), { admitted: false, limit: 'address' })
    t.ok((await limiter.admit(leaseOf('alice', 'e'))).admitted)
  })
}

/** What gives slots back for good. */
export function testVacating (t: Test, make: MakeSubject, settings: LimitSettings): void {
  const alice = (connectionId: string) => ({ owner: 'alice', connectionId })

  t.test('slots that were vacated are free, and giving them back later frees no other', async (t) => {
    const { limiter } = await make(t, { ...settings, userConnections: 2 })
    for (const id of ['a', 'b']) await limiter.admit(leaseOf('alice', id))
    await limiter.vacate([alice('a'), alice('b'), alice('never')])
    t.same(await offenders(['c', 'd'], async id => (await limiter.admit(leaseOf('alice', id))).admitted), [])
    for (const id of ['a', 'b']) limiter.release(alice(id))
    t.notOk((await limiter.admit(leaseOf('alice', 'e'))).admitted)
  })

  t.test('nothing under way puts a vacated lease back', async (t) => {
    const { limiter } = await make(t, { ...settings, userConnections: 3 })
    await limiter.admit(leaseOf('alice', 'a'))
    const underWay = [limiter.renew([alice('a')]), limiter.admit(leaseOf('alice', 'b'))]
    await new Promise((resolve) => setImmediate(resolve))
    underWay.push(limiter.renew([alice('b')]), limiter.admit(leaseOf('alice', 'c')))
    await limiter.vacate(['a', 'b', 'c'].map(alice))
    await Promise.all(underWay)
    t.equal(await countAdmitted(['d', 'e', 'f', 'g'].map(async (id) => await limiter.admit(leaseOf('alice', id)))), 3)
  })

  t.test('nothing under way puts back for good what was released', async (t) => {
    const { limiter } = await make(t, { ...settings, userConnections: 1 })
    await limiter.admit(leaseOf('alice', 'a'))
    const renewed = limiter.renew([alice('a')])
    limiter.release(alice('a'))
    await renewed
    await limiter.vacate([])
    t.ok((await limiter.admit(leaseOf('alice', 'b'))).admitted)
  })
}
