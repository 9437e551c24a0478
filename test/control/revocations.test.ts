import t from 'tap'
import type { Revocation } from '../../src/control/control.js'
import { createRevocations } from '../../src/control/revocations.js'
import { identity } from './identities.js'

const revocation = (more: Partial<Revocation>): Revocation => ({ kind: 'sub', id: 'alice', issuer: null, issuedBeforeMs: null, ...more })
const lasting = (more: Partial<Revocation>, remainingMs = 1000) => ({ revocation: revocation(more), remainingMs })

t.test('a token is revoked by its id, its session or its subject, and by nothing else', async (t) => {
  for (const [kind, id] of [['jti', 'token-1'], ['sid', 'session-1'], ['sub', 'alice']] as const) {
    const revocations = createRevocations(() => 0)
    t.equal(revocations.isRevoked(identity()), false)
    revocations.add(lasting({ kind, id }))
    t.equal(revocations.isRevoked(identity()), true, kind)
    t.equal(revocations.isRevoked(identity({ subject: 'bob', tokenId: 'token-2', sessionId: 'session-2' })), false)
    t.equal(revocations.isRevoked(identity({ subject: 'bob', tokenId: null, sessionId: null })), false)
  }
})

t.test('an id revoked as one kind does not revoke it as another', async (t) => {
  const revocations = createRevocations(() => 0)
  revocations.add(lasting({ kind: 'jti', id: 'alice' }))
  t.equal(revocations.isRevoked(identity()), false)
  t.equal(revocations.isRevoked(identity({ tokenId: 'alice' })), true)
})

t.test('one issuer\'s revocation does not touch the same subject of another issuer', async (t) => {
  const revocations = createRevocations(() => 0)
  revocations.add(lasting({ issuer: 'main' }))
  t.equal(revocations.isRevoked(identity()), true)
  t.equal(revocations.isRevoked(identity({ issuer: 'other' })), false)
})

t.test('only tokens issued before the stated time are revoked; one that does not say counts as such', async (t) => {
  const revocations = createRevocations(() => 0)
  revocations.add(lasting({ issuedBeforeMs: 5000 }))
  t.equal(revocations.isRevoked(identity({ issuedAtMs: 4999 })), true)
  t.equal(revocations.isRevoked(identity({ issuedAtMs: 5000 })), false)
  t.equal(revocations.isRevoked(identity({ issuedAtMs: null })), true)
  t.equal(revocations.add(lasting({ issuedBeforeMs: 4000 })), false, 'an earlier one says nothing new')
  t.equal(revocations.isRevoked(identity({ issuedAtMs: 4999 })), true, 'and takes nothing back')
  t.equal(revocations.add(lasting({ issuedBeforeMs: 6000 })), true)
  t.equal(revocations.isRevoked(identity({ issuedAtMs: 5999 })), true)
})

t.test('a revocation ends with its lifetime and leaves no memory behind', async (t) => {
  let nowMs = 0
  const revocations = createRevocations(() => nowMs)
  for (let n = 0; n < 100; n++) revocations.add(lasting({ kind: 'jti', id: `j${n}` }, 1000))
  revocations.add(lasting({}, 2000))
  nowMs = 999
  t.equal(revocations.isRevoked(identity({ tokenId: 'j7', subject: 'bob' })), true)
  nowMs = 1000
  t.equal(revocations.isRevoked(identity({ tokenId: 'j7', subject: 'bob' })), false)
  revocations.sweep()
  t.equal(revocations.size(), 1)
})

t.test('lifting one issuer\'s leaves the others, lifting any issuer\'s leaves none', async (t) => {
  const revocations = createRevocations(() => 0)
  for (const issuer of ['main', 'other', null]) revocations.add(lasting({ issuer }))
  revocations.remove(revocation({ issuer: 'main' }))
  t.equal(revocations.isRevoked(identity()), true, 'that of any issuer stands')
  revocations.remove(revocation({ issuer: null }))
  t.equal(revocations.isRevoked(identity({ issuer: 'other' })), false)
  t.equal(revocations.size(), 0)
})

t.test('a reading takes the place of what was known, and says whether it is news', async (t) => {
  const revocations = createRevocations(() => 0)
  revocations.add(lasting({ kind: 'jti', id: 'gone' }))
  revocations.add(lasting({ issuedBeforeMs: 5000 }))
  t.equal(revocations.replace([lasting({ issuedBeforeMs: 5000 })]), false)
  t.equal(revocations.isRevoked(identity({ tokenId: 'gone', subject: 'bob' })), false)
  t.equal(revocations.replace([lasting({ issuedBeforeMs: 6000 })]), true)
  t.equal(revocations.isRevoked(identity({ issuedAtMs: 5500 })), true)
})

t.test('ids with a meaning to JavaScript are ids like others', async (t) => {
  const revocations = createRevocations(() => 0)
  t.equal(revocations.isRevoked(identity({ subject: '__proto__', tokenId: 'constructor' })), false)
  revocations.add(lasting({ id: '__proto__' }))
  t.equal(revocations.isRevoked(identity({ subject: '__proto__' })), true)
  t.equal(revocations.isRevoked(identity()), false)
})
