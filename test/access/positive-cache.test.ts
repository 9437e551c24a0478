import t, { type Test } from 'tap'
import { createPositiveCache, type PositiveCache } from '../../src/access/positive-cache.js'
import { identityOf } from './identity-of.js'

let nowMs = 500
const EPOCH_MS = 1_800_000_000_000
const clocks = { now: () => nowMs, epochNow: () => EPOCH_MS + nowMs }
const alice = identityOf('alice', { org: 'one' })

/** Asks at some time, and adds what was answered now. */
function add (cache: PositiveCache, identity: ReturnType<typeof identityOf>, ids: readonly string[], askedAtMs = nowMs): void {
  cache.add(identity, 'agents', ids, { ...cache.ask(identity), askedAtMs })
}

function createCache (lifetimeMs: number, maxEntries = 100): PositiveCache {
  return createPositiveCache({ maxEntries, lifetimeMs, clocks })
}

t.test('an answer is believed for its lifetime from when it was asked for, and at most for five seconds', async (t) => {
  for (const [lifetimeMs, believedMs] of [[1000, 1000], [5000, 5000], [60_000, 5000]] as const) {
    const cache = createCache(lifetimeMs)
    add(cache, alice, ['a1'])
    nowMs += believedMs - 1
    t.ok(cache.has(alice, 'agents', 'a1'))
    nowMs += 1
    t.notOk(cache.has(alice, 'agents', 'a1'))
    add(cache, alice, ['a1'], nowMs - believedMs + 1)
    nowMs += 1
    t.notOk(cache.has(alice, 'agents', 'a1'), 'a slow answer is old when it comes')
  }
})

t.test('an answer never outlives the token', async (t) => {
  const cache = createCache(5000)
  const expiring = identityOf('alice', {}, { expiresAtMs: clocks.epochNow() + 100 })
  add(cache, expiring, ['a1'])
  nowMs += 99
  t.ok(cache.has(expiring, 'agents', 'a1'))
  nowMs += 1
  t.notOk(cache.has(expiring, 'agents', 'a1'))
  add(cache, expiring, ['a1'])
  t.notOk(cache.has(expiring, 'agents', 'a1'))
})

t.test('with a lifetime of 0 nothing is remembered', async (t) => {
  const cache = createCache(0)
  add(cache, alice, ['a1'])
  t.notOk(cache.has(alice, 'agents', 'a1'))
})

function isOther (t: Test, cache: PositiveCache, other: ReturnType<typeof identityOf>, label: string): void {
  t.notOk(cache.has(other, 'agents', 'a1'), label)
}

t.test('an answer belongs to one issuer, one whole claims set, one kind and one id', async (t) => {
  const cache = createCache(5000)
  add(cache, alice, ['a1'])
  t.ok(cache.has(identityOf('alice', { org: 'one' }), 'agents', 'a1'), 'the same claims in another token object')
  t.notOk(cache.has(alice, 'tasks', 'a1'))
  t.notOk(cache.has(alice, 'agents', 'a2'))
  isOther(t, cache, identityOf('bob', { org: 'one' }), 'another subject')
  isOther(t, cache, identityOf('alice', { org: 'one' }, { issuer: 'other' }), 'another issuer')
  isOther(t, cache, identityOf('alice', { org: 'two' }), 'another organization')
  isOther(t, cache, identityOf('alice', { org: 'one', aal: 'aal2' }), 'one claim more')
  isOther(t, cache, identityOf('alice'), 'one claim less')
  isOther(t, cache, identityOf('alice', { org: ['one'] }), 'a list')
  isOther(t, cache, identityOf('alice', JSON.parse('{"org":"one","__proto__":{"x":1}}') as Record<string, unknown>), 'a member called __proto__')
})

t.test('the order of the members says nothing, at any depth', async (t) => {
  const cache = createCache(5000)
  add(cache, identityOf('carol', { a: { x: 1, y: [{ p: 1, q: 2 }] }, b: 2 }), ['a1'])
  t.ok(cache.has(identityOf('carol', { b: 2, a: { y: [{ q: 2, p: 1 }], x: 1 } }), 'agents', 'a1'))
  isOther(t, cache, identityOf('carol', { a: { x: 1, y: [{ p: 2, q: 1 }] }, b: 2 }), 'other values')
})

t.test('it holds a bounded number of ids and drops those not used for longest', async (t) => {
  const cache = createCache(5000, 3)
  add(cache, alice, ['a1', 'a2', 'a3'])
  t.ok(cache.has(alice, 'agents', 'a1'))
  add(cache, alice, ['a4'])
  t.same(['a1', 'a2', 'a3', 'a4'].map((id) => cache.has(alice, 'agents', id)), [true, false, true, true])
})

t.test('what one user was allowed is forgotten alone, also what is still on its way; what all were allowed with null', async (t) => {
  const cache = createCache(5000)
  const bob = identityOf('bob')
  for (const identity of [alice, bob]) add(cache, identity, ['a1'])
  const [asked, bobs] = [cache.ask(alice), cache.ask(bob)]
  cache.forget('alice')
  t.same([alice, bob].map(identity => cache.has(identity, 'agents', 'a1')), [false, true])
  cache.add(alice, 'agents', ['a2'], asked)
  cache.add(bob, 'agents', ['a2'], bobs)
  t.same([alice, bob].map(identity => cache.has(identity, 'agents', 'a2')), [false, true])
  add(cache, alice, ['a3'])
  t.ok(cache.has(alice, 'agents', 'a3'), 'what was asked for afterwards counts')
  cache.forget(null)
  cache.add(bob, 'agents', ['a4'], bobs)
  t.same([[alice, 'a3'], [bob, 'a1'], [bob, 'a4']].map(([who, id]) => cache.has(who as typeof alice, 'agents', id as string)), [false, false, false])
})
