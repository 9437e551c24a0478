import t from 'tap'
import { fingerprintClaims } from '../../src/tokens/claims-fingerprint.js'
import { identityOf } from '../access/identity-of.js'

const of = (claims: Record<string, unknown>, more = {}): string => fingerprintClaims(identityOf('alice', claims, more))

t.test('claims are the same in whatever order they stand, whichever token says them', async (t) => {
  t.equal(of({ a: 1, b: { c: [1, 2], d: null } }), of({ b: { d: null, c: [1, 2] }, a: 1 }))
  t.equal(of({ a: 1 }, { tokenId: 'one' }), of({ a: 1 }, { tokenId: 'two' }))
  t.equal(of({ a: 1 }, { expiresAtMs: 1 }), of({ a: 1 }, { expiresAtMs: 2 }))
})

t.test('another user, issuer or value makes other claims, and so does the order of an array', async (t) => {
  const all = [
    of({}), of({}, { userId: 'bob' }), of({}, { issuer: 'other' }), of({ a: 1 }), of({ a: '1' }), of({ a: [1, 2] }), of({ a: [2, 1] }), of({ a: { 0: 1, 1: 2 } }),
    of(JSON.parse('{"__proto__":{"a":1}}') as Record<string, unknown>)
  ]
  t.equal(new Set(all).size, all.length)
})
