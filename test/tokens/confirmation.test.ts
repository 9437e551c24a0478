import t from 'tap'
import { readConfirmation } from '../../src/tokens/confirmation.js'
import { startIssuer } from '../support/issuer.js'
import { describe, startVerifier } from './fixture.js'

const JKT = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'
const issuer = await startIssuer(t, { algorithm: 'ES256' })
const bound = issuer.sign({ cnf: { jkt: JKT } })

t.test('a token that is bound to a key counts only beside the proof of that key, however often it was seen', async (t) => {
  const { verifier } = await startVerifier(t, [issuer.config()])
  const refused = 'invalid_token sender_constrained'
  t.equal(describe(verifier.verifyNow(bound)), refused)
  t.equal(describe(verifier.verifyNow(bound, { jkt: JKT })), 'accepted alice')
  t.equal(describe(verifier.verifyNow(bound)), refused, 'what is remembered of it opens nothing either')
  t.equal(describe(await verifier.verify(bound)), refused)
  t.equal(describe(await verifier.verify(bound, { jkt: 'of another key' })), refused)
  t.equal(describe(await verifier.verify(bound, { jkt: JKT })), 'accepted alice')
  t.equal(describe(verifier.verifyNow(issuer.sign(), { jkt: JKT })), 'accepted alice', 'a token bound to nothing')
})

t.test('all else that is wrong with a bound token is said first', async (t) => {
  const { verifier } = await startVerifier(t, [issuer.config()])
  t.equal(describe(verifier.verifyNow(issuer.sign({ cnf: { jkt: JKT }, aud: 'elsewhere' }))), 'invalid_token audience')
  t.equal(describe(verifier.verifyNow(issuer.sign({ cnf: { jkt: JKT }, iat: 1, exp: 600 }))), 'expired_token expired')
})

t.test('a bound token without its proof is not introspected', async (t) => {
  const introspected = await startIssuer(t, { algorithm: 'ES256' })
  const introspection = { endpoint: introspected.introspectionUri, clientId: 'gateway', clientSecret: 'secret' }
  const { verifier } = await startVerifier(t, [introspected.config({ introspection })])
  const token = introspected.sign({ cnf: { jkt: JKT } })
  t.equal(describe(await verifier.verify(token)), 'invalid_token sender_constrained')
  t.equal(introspected.requests.introspection, 0)
  t.equal(describe(await verifier.verify(token, { jkt: JKT })), 'accepted alice')
})

t.test('what a token is bound to is read, and what no DPoP proof can show is shown by none', async (t) => {
  t.equal(readConfirmation({ sub: 'alice', typ: 'Bearer' }), null)
  t.same(readConfirmation({ cnf: { jkt: JKT } }), { jkt: JKT })
  const unprovable = [
    { cnf: { 'x5t#S256': 'AA' } }, { cnf: { jkt: JKT, 'x5t#S256': 'AA' } }, { cnf: { jkt: '' } }, { cnf: { jkt: 1 } }, { cnf: null }, { cnf: [] }, { cnf: {} }, { typ: 'DPoP' }
  ]
  t.same(unprovable.filter(claims => readConfirmation(claims)?.jkt !== null), [])
})
