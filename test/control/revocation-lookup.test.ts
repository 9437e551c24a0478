import t from 'tap'
import type { Revocation } from '../../src/control/control.js'
import { createLedger } from '../../src/control/ledger.js'
import { createRevocationLookup } from '../../src/control/revocation-lookup.js'
import { nameOfTarget, toMember } from '../../src/control/revocation-terms.js'
import { identity } from './identities.js'

const revocation = (more: Partial<Revocation>): Revocation => ({ kind: 'sub', id: 'alice', issuer: null, issuedBeforeMs: null, ...more })

/** The lookup over a ledger, as a process has them. */
function setUp (now: () => number = () => 0) {
  const lookup = createRevocationLookup(now)
  const ledger = createLedger(now, Infinity, lookup.follow)
  let givenAtUs = 0
  const give = (more: Partial<Revocation>, { lifted = false, remainingMs = 1000 } = {}): void => {
    const meant = revocation(more)
    ledger.learn({ name: nameOfTarget(meant), givenAtUs: ++givenAtUs, lifted, remainingMs, keptUntilMs: 0, member: lifted ? '' : toMember(meant) })
  }
  return { lookup, ledger, give }
}

t.test('a token is revoked by its id, its session or its subject, and by nothing else', async (t) => {
  for (const [kind, id] of [['jti', 'token-1'], ['sid', 'session-1'], ['sub', 'alice']] as const) {
    const { lookup, give } = setUp()
    t.equal(lookup.isRevoked(identity()), false)
    give({ kind, id })
    t.equal(lookup.isRevoked(identity()), true, kind)
    t.equal(lookup.isRevoked(identity({ subject: 'bob', tokenId: 'token-2', sessionId: 'session-2' })), false)
    t.equal(lookup.isRevoked(identity({ subject: 'bob', tokenId: null, sessionId: null })), false)
  }
})

t.test('an id revoked as one kind does not revoke it as another', async (t) => {
  const { lookup, give } = setUp()
  give({ kind: 'jti', id: 'alice' })
  t.equal(lookup.isRevoked(identity()), false)
  t.equal(lookup.isRevoked(identity({ tokenId: 'alice' })), true)
})

t.test('one issuer\'s revocation does not touch the same subject of another issuer', async (t) => {
  const { lookup, give } = setUp()
  give({ issuer: 'main' })
  t.equal(lookup.isRevoked(identity()), true)
  t.equal(lookup.isRevoked(identity({ issuer: 'other' })), false)
})

t.test('only tokens issued before the stated time are revoked; one that does not say counts as such', async (t) => {
  const { lookup, give } = setUp()
  give({ issuedBeforeMs: 5000 })
  t.equal(lookup.isRevoked(identity({ issuedAtMs: 4999 })), true)
  t.equal(lookup.isRevoked(identity({ issuedAtMs: 5000 })), false)
  t.equal(lookup.isRevoked(identity({ issuedAtMs: null })), true)
  give({ issuedBeforeMs: 6000 })
  t.equal(lookup.isRevoked(identity({ issuedAtMs: 5999 })), true)
})

t.test('a revocation ends with its lifetime and leaves no memory behind', async (t) => {
  let nowMs = 0
  const { lookup, ledger, give } = setUp(() => nowMs)
  for (let n = 0; n < 100; n++) give({ kind: 'jti', id: `j${n}` })
  give({}, { remainingMs: 2000 })
  nowMs = 999
  t.equal(lookup.isRevoked(identity({ tokenId: 'j7', subject: 'bob' })), true)
  nowMs = 1000
  t.equal(lookup.isRevoked(identity({ tokenId: 'j7', subject: 'bob' })), false)
  ledger.sweep()
  t.same([lookup.size(), ledger.size()], [1, 1])
})

t.test('taking back one issuer\'s leaves the others', async (t) => {
  const { lookup, give } = setUp()
  for (const issuer of ['main', 'other', null]) give({ issuer })
  t.same(lookup.issuersOf(revocation({})), ['main', 'other', null])
  give({ issuer: 'main' }, { lifted: true })
  t.equal(lookup.isRevoked(identity()), true, 'that of any issuer stands')
  give({ issuer: null }, { lifted: true })
  t.equal(lookup.isRevoked(identity()), false)
  t.equal(lookup.isRevoked(identity({ issuer: 'other' })), true)
  give({ issuer: 'other' }, { lifted: true })
  t.equal(lookup.size(), 0)
})

t.test('ids with a meaning to JavaScript are ids like others', async (t) => {
  const { lookup, give } = setUp()
  t.equal(lookup.isRevoked(identity({ subject: '__proto__', tokenId: 'constructor' })), false)
  give({ id: '__proto__' })
  t.equal(lookup.isRevoked(identity({ subject: '__proto__' })), true)
  t.equal(lookup.isRevoked(identity()), false)
})
