import t from 'tap'
import { explainToken } from '../../src/tokens/explain-token.js'
import { generateKey, signHmacToken, signToken, startIssuer } from '../support/issuer.js'
import { describe, startVerifier, type VerifierOverrides } from './fixture.js'

const issuer = await startIssuer(t)
const keycloak = await startIssuer(t, { preset: 'keycloak', name: 'keycloak', audience: 'gateway' })
const nowS = Math.floor(Date.now() / 1000)
const stranger = generateKey('RS256', issuer.newestKey().kid)
const good = issuer.sign()
const [header = '', payload = '', signature = ''] = good.split('.')

/** Tokens of every fault that needs no issuer to be asked. */
const TOKENS: ReadonlyArray<readonly [string, string]> = [
  ['good', good],
  ['opaque', 'ory_at_abc'],
  ['encrypted', `${good}.${signature}.${signature}`],
  ['too long', issuer.sign({ groups: 'g'.repeat(12_000) })],
  ['an API key', 'sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz'],
  ['a symmetric algorithm', signHmacToken({ alg: 'HS256', typ: 'JWT' }, { iss: issuer.issuer }, 'secret')],
  ['another kind by its header', issuer.sign({}, { header: { typ: 'logout+jwt' } })],
  ['a critical header', issuer.sign({}, { header: { crit: ['x'] } })],
  ['a kid that is no text', issuer.sign({}, { header: { kid: 7 } })],
  ['an algorithm that has no key', signToken({ alg: 'ES256', kid: issuer.newestKey().kid }, { iss: issuer.issuer, aud: issuer.audience, sub: 'a', iat: nowS, exp: nowS + 60 }, generateKey('ES256', 'e'))],
  ['another\'s signature', issuer.sign({}, { key: stranger })],
  ['another\'s signature above wrong claims', issuer.sign({ aud: 'x', sub: 7 }, { key: stranger })],
  ['a changed payload', `${header}.${payload.slice(0, -4)}AAAA.${signature}`],
  ['no subject', issuer.sign({ sub: undefined })],
  ['a numeric subject', issuer.sign({ sub: 7 })],
  ['another issuer', issuer.sign({ iss: `${issuer.issuer}/` })],
  ['another audience', issuer.sign({ aud: ['x', 'z'] })],
  ['an ID token', issuer.sign({ nonce: 'n', scope: undefined })],
  ['over', issuer.sign({ iat: nowS - 600, exp: nowS - 300 })],
  ['ahead', issuer.sign({ iat: nowS + 600, exp: nowS + 900 })],
  ['too long a life', issuer.sign({ exp: nowS + 90_000 })],
  ['an exp that is a text', issuer.sign({ exp: String(nowS + 60) })],
  ['bound to a key', issuer.sign({ cnf: { jkt: 'k' } })],
  ['no claims at all', signToken({ alg: 'RS256', kid: issuer.newestKey().kid }, '[]', issuer.newestKey())],
  ['of the other issuer', keycloak.sign({ aud: 'gateway' })],
  ['of the other issuer, for another client', keycloak.sign({ aud: 'account', azp: 'web' })]
]

const WORLDS: ReadonlyArray<readonly [string, typeof issuer[], VerifierOverrides]> = [
  ['one issuer', [issuer], {}],
  ['two issuers', [issuer, keycloak], {}],
  ['a sign-in that is asked for', [issuer], { settings: { assurance: ['gold'], maxAuthAgeMs: 60_000 } }],
  ['access tokens of RFC 9068 alone', [issuer], { settings: { reading: { scope: ['scope'], audience: 'aud', user: 'sub', session: ['sid'], type: 'at+jwt' } } }]
]

t.test('the steps fail where the verifier refuses, by the same cause, and nowhere else', async (t) => {
  for (const [world, issuers, overrides] of WORLDS) {
    const { verifier, settings } = await startVerifier(t, issuers.map(each => each.config()), overrides)
    const offenders = TOKENS.flatMap(([what, token]) => {
      const said = describe(verifier.verifyNow(token)).split(' ')
      const steps = explainToken(token, { issuerKeys: verifier.issuerKeys, settings, nowMs: Date.now() })
      const faults = steps.map(({ fault }) => fault).filter(fault => fault !== null)
      const agrees = said[0] === 'accepted' ? faults.length === 0 : faults.some(fault => fault === said[1])
      return agrees ? [] : [`${what}: ${said.join(' ')}, explained by ${faults.join()}`]
    })
    t.same(offenders, [], world)
  }
})

t.test('where two values are compared both are said, whether they fit or not', async (t) => {
  const { verifier, settings } = await startVerifier(t, [issuer.config({ name: 'oidc' })])
  const explain = (token: string) => explainToken(token, { issuerKeys: verifier.issuerKeys, settings, nowMs: nowS * 1000 })
  const say = (token: string, part: string): string => explain(token).filter(step => step.part === part).map(({ verdict, because }) => `${verdict} ${because}`).join()
  const { kid } = issuer.newestKey()
  t.equal(say(good, 'audience'), `pass aud is "${issuer.audience}", JWT_AUDIENCE is "${issuer.audience}"`)
  t.equal(say(issuer.sign({ aud: 'x' }), 'audience'), `fail aud is "x", JWT_AUDIENCE is "${issuer.audience}": it is for another service; both values stand beside it`)
  t.match(say(issuer.sign({ iss: 'http://other' }), 'issuer'), `fail iss is "http://other", JWT_ISSUER is "${issuer.issuer}": `)
  t.match(say(issuer.sign({ iat: nowS - 600, exp: nowS - 60 }), 'times'), /^fail iat is \S+ \(600 s ago\), exp is \S+ \(60 s ago\); JWT_CLOCK_TOLERANCE_S is 5, JWT_MAX_LIFETIME_S is 86400: it has ended/)
  t.match(say(issuer.sign({ exp: 'soon' }), 'times'), 'fail iat is ')
  t.match(say(issuer.sign({ exp: 1e300 }), 'times'), 'exp is 1e+300')
  t.match(say(issuer.sign({}, { header: { alg: 'HS512' } }), 'header'), `fail alg is "HS512", kid is "${kid}", typ is "JWT"; JWT_ALGORITHMS is RS256, `)
  t.match(say(issuer.sign({}, { header: { kid: 'k2' } }), 'key'), `fail kid is "k2", alg is "RS256"; oidc publishes "${kid}" (RS256): its key is not published`)
  t.match(say(issuer.sign({}, { header: { kid: 'k2' } }), 'signature'), 'not_reached')
  t.match(say(issuer.sign({ sub: 7 }), 'user'), 'fail sub is 7: ')
  t.match(say(issuer.sign({ sub: undefined, iat: undefined }), 'claims'), 'fail sub, iat are absent: ')
  t.match(say('a.b', 'form'), 'fail 2 parts in place of 3')
  t.match(say(`${good}.x.y`, 'form'), 'it is encrypted (JWE)')
  t.match(say(issuer.sign({ cnf: { jkt: 'k' } }), 'binding'), 'by ticket alone')
  t.match(say(issuer.sign({ cnf: { 'x5t#S256': 'k' } }), 'binding'), 'no proof for that can be shown here')
})

t.test('an issuer that is none of several is named beside them all', async (t) => {
  const { verifier, settings } = await startVerifier(t, [issuer.config({ name: 'oidc' }), keycloak.config({ name: 'keycloak', preset: 'keycloak' })])
  t.match(explainToken(issuer.sign({ iss: 'x' }), { issuerKeys: verifier.issuerKeys, settings, nowMs: 0 }).at(-1), {
    part: 'issuer', verdict: 'fail', because: `iss is "x", JWT_ISSUER is "${issuer.issuer}", KEYCLOAK_ISSUER_URL is "${keycloak.issuer}": `
  })
})

t.test('no part of a token is in what is said of it', async (t) => {
  const { verifier, settings } = await startVerifier(t, [issuer.config()])
  const nested = issuer.sign({ aud: good, sub: good, typ: 'ID' }, { header: { typ: good } })
  const deps = { issuerKeys: verifier.issuerKeys, settings, nowMs: 0 }
  const text = JSON.stringify([...TOKENS.map(([, token]) => token), nested].map(token => explainToken(token, deps)))
  t.same([header, payload, signature].filter(part => text.includes(part.slice(0, 20))), [])
})
