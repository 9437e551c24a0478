import t from 'tap'
import { signHmacToken, startIssuer } from '../support/issuer.js'
import { describeWhole, startVerifier } from './fixture.js'

const issuer = await startIssuer(t, { algorithm: 'ES256' })
const { verifier } = await startVerifier(t, [issuer.config()])
const judge = (claims: Record<string, unknown>): string => describeWhole(verifier.verifyNow(issuer.sign(claims)))
const BACKCHANNEL = { 'http://schemas.openid.net/event/backchannel-logout': {} }

const OTHERS: ReadonlyArray<readonly [string, Record<string, unknown>, string]> = [
  ['an ID token of Keycloak', { typ: 'ID' }, 'typ is "ID"'],
  ['a refresh token', { typ: 'Refresh', scope: 'openid' }, 'typ is "Refresh"'],
  ['an ID token of Cognito', { token_use: 'id', scope: 'openid' }, 'token_use is "id"'],
  ['an ID token of Cognito in other case', { token_use: 'ID' }, 'token_use is "ID"'],
  ['a use that is no text', { token_use: ['access'] }, 'token_use is ["access"]'],
  ['an ID token by its nonce', { nonce: 'n-0S6_WzA2Mj' }, 'an ID token: nonce beside no scope'],
  ['an ID token by its at_hash', { at_hash: 'MTIzNDU2Nzg5MDEyMzQ1Ng' }, 'an ID token: at_hash beside no scope'],
  ['an ID token with a scope that is nothing', { nonce: 'n', scope: null }, 'an ID token: nonce beside no scope'],
  ['a logout token that names no kind', { events: BACKCHANNEL, sid: 's' }, 'events are in it'],
  ['a type that could be a token', { typ: ['eyJhbGciOiJIUzI1NiJ9'] }, 'typ is […]']
]

t.test('a token of another kind is refused, and the log says by what it was known', async (t) => {
  t.same(OTHERS.map(([, claims]) => judge(claims)), OTHERS.map(([,, shown]) => `invalid_token token_type: ${shown}`))
})

t.test('an access token may carry what an ID token does, beside a scope', async (t) => {
  const tokens = [
    { nonce: 'n', scope: 'openid' }, { nonce: 'n', scope: '' }, { at_hash: 'h', scp: ['openid'] }, { token_use: 'access' }, { typ: 'Bearer' }, { events: 'many' }
  ]
  t.same(tokens.map(judge).filter(verdict => verdict !== 'accepted alice'), [])
})

t.test('a refresh token that is signed with a secret is called what it says it is', async (t) => {
  const nowS = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer.issuer, aud: issuer.issuer, sub: 'alice', iat: nowS, exp: nowS + 300 }
  const judgeMac = (more: Record<string, unknown>): string => describeWhole(verifier.verifyNow(signHmacToken({ alg: 'HS512', typ: 'JWT' }, { ...claims, ...more }, 'realm')))
  t.equal(judgeMac({ typ: 'Refresh' }), 'invalid_token token_type: typ is "Refresh"')
  t.equal(judgeMac({ typ: 'Offline' }), 'invalid_token token_type: typ is "Offline"')
  t.equal(judgeMac({ typ: 'Bearer' }), 'invalid_token algorithm')
})
