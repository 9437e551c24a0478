import t from 'tap'
import { createLogoutTokenRules, type LogoutTokenRules } from '../../src/tokens/logout-token.js'
import { createStatementJudge } from '../../src/tokens/statement.js'
import { generateKey, signHmacToken, signToken } from '../support/issuer.js'
import { createSigner, ISSUER, NOW_S, outcomeOf } from './statement-fixture.js'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const GOOD = { iss: ISSUER, aud: 'portcullis', iat: NOW_S, exp: NOW_S + 120, jti: 'j1', sid: 's1', sub: 'alice', events: { [EVENT]: {} } }
const signer = createSigner()
const stranger = generateKey('RS256', 'k1')

function judgeWith (rules: Partial<LogoutTokenRules> = {}) {
  const all = { audiences: null, anyClient: false, clockToleranceMs: 5000, ...rules }
  const judge = createStatementJudge([signer.keys], createLogoutTokenRules(all))
  return (token: string) => judge(token, NOW_S * 1000)
}

/** Each claim that differs from a good token's, and what is said of it; undefined leaves the claim out. */
const CLAIMS: ReadonlyArray<readonly [string, Record<string, unknown>, string]> = [
  ['a good token', {}, 'good'],
  ['a session alone', { sub: undefined }, 'good'],
  ['a user alone', { sid: undefined }, 'good'],
  ['neither', { sid: undefined, sub: undefined }, 'subject_missing'],
  ['a session that is a number', { sid: 5 }, 'session'],
  ['an empty session', { sid: '' }, 'session'],
  ['a session of 1025 characters', { sid: 's'.repeat(1025) }, 'session'],
  ['a session that is null', { sid: null }, 'session'],
  ['a user that is a list', { sub: ['alice'] }, 'subject'],
  ['an empty user', { sub: '' }, 'subject'],
  ['another issuer', { iss: 'https://other.example' }, 'unknown_issuer'],
  ['an issuer with a slash more', { iss: `${ISSUER}/` }, 'unknown_issuer'],
  ['an issuer that is a list', { iss: [ISSUER] }, 'unknown_issuer'],
  ['no issuer', { iss: undefined }, 'unknown_issuer'],
  ['another audience', { aud: 'web' }, 'audience'],
  ['ours among several', { aud: ['web', 'portcullis'] }, 'good'],
  ['no audience', { aud: undefined }, 'audience'],
  ['an audience that is a number', { aud: 7 }, 'audience'],
  ['an empty list of audiences', { aud: [] }, 'audience'],
  ['no iat', { iat: undefined }, 'issued_at'],
  ['an iat that is text', { iat: String(NOW_S) }, 'issued_at'],
  ['an iat ahead, within the tolerance', { iat: NOW_S + 5 }, 'good'],
  ['an iat ahead', { iat: NOW_S + 6 }, 'issued_at'],
  ['five minutes old', { iat: NOW_S - 300, exp: undefined }, 'good'],
  ['older than five minutes and the tolerance', { iat: NOW_S - 306, exp: undefined }, 'too_old'],
  ['no exp', { exp: undefined }, 'good'],
  ['over', { exp: NOW_S - 5 }, 'expired'],
  ['over, within the tolerance', { exp: NOW_S - 4 }, 'good'],
  ['an exp that is text', { exp: 'soon' }, 'expiry'],
  ['not before later', { nbf: NOW_S + 60 }, 'not_before'],
  ['no jti', { jti: undefined }, 'jti'],
  ['an empty jti', { jti: '' }, 'jti'],
  ['a jti that is a number', { jti: 1 }, 'jti'],
  ['no events', { events: undefined }, 'events'],
  ['events that are a list', { events: [EVENT] }, 'events'],
  ['events that are text', { events: EVENT }, 'events'],
  ['another event', { events: { 'https://other.example': {} } }, 'events'],
  ['the event as a boolean', { events: { [EVENT]: true } }, 'events'],
  ['the event as a list', { events: { [EVENT]: [] } }, 'events'],
  ['the event as null', { events: { [EVENT]: null } }, 'events'],
  ['a bare boolean beside the event', { events: { [EVENT]: {}, revoke_offline_access: true } }, 'good'],
  ['a nonce', { nonce: 'n' }, 'nonce'],
  ['a nonce that is null', { nonce: null }, 'nonce'],
  ['what Keycloak adds', { typ: 'Logout' }, 'good']
]

t.test('each claim is checked as section 2.6 says', async (t) => {
  const judge = judgeWith()
  const found = CLAIMS.map(([name, claims]) => [name, outcomeOf(judge(signer.sign({ ...GOOD, ...claims })))])
  t.same(found, CLAIMS.map(([name, , wanted]) => [name, wanted]))
})

t.test('the same is said where the key is not at hand, but for what is good', async (t) => {
  const judge = judgeWith()
  const unknown = generateKey('RS256', 'k2')
  const wanted = CLAIMS.map(([name, , outcome]) => [name, outcome === 'good' ? 'no_key' : outcome])
  t.same(CLAIMS.map(([name, claims]) => [name, outcomeOf(judge(signer.sign({ ...GOOD, ...claims }, {}, unknown)))]), wanted)
})

t.test('each header is checked', async (t) => {
  const judge = judgeWith()
  const HEADERS: ReadonlyArray<readonly [string, object, string]> = [
    ['no type', {}, 'good'],
    ['logout+jwt', { typ: 'logout+jwt' }, 'good'],
    ['in capitals', { typ: 'LOGOUT+JWT' }, 'good'],
    ['with application/', { typ: 'application/logout+jwt' }, 'good'],
    ['JWT', { typ: 'JWT' }, 'good'],
    ['an access token', { typ: 'at+jwt' }, 'header_type'],
    ['a security event token', { typ: 'secevent+jwt' }, 'header_type'],
    ['an empty type', { typ: '' }, 'header_type'],
    ['application/ alone', { typ: 'application/' }, 'header_type'],
    ['a type that is a number', { typ: 1 }, 'header_type'],
    ['a type that is null', { typ: null }, 'header_type'],
    ['no algorithm', { alg: undefined }, 'algorithm'],
    ['none', { alg: 'none' }, 'algorithm'],
    ['an algorithm that the issuer may not use', { alg: 'RS384' }, 'algorithm'],
    ['an algorithm that the key is not for', { alg: 'ES256' }, 'no_key'],
    ['a crit', { crit: ['exp'] }, 'critical_header'],
    ['a kid of 257 characters', { kid: 'k'.repeat(257) }, 'key_id'],
    ['another kid', { kid: 'k9' }, 'no_key'],
    ['no kid', { kid: undefined }, 'good']
  ]
  const wanted = HEADERS.map(([name, , outcome]) => [name, outcome])
  t.same(HEADERS.map(([name, header]) => [name, outcomeOf(judge(signer.sign(GOOD, header)))]), wanted)
})

t.test('a signature of another key, or made with the public one, does nothing', async (t) => {
  const judge = judgeWith()
  t.equal(outcomeOf(judge(signToken({ alg: 'RS256', kid: 'k1' }, GOOD, stranger))), 'signature')
  t.equal(outcomeOf(judge(signHmacToken({ alg: 'HS256', kid: 'k1' }, GOOD, signer.key.publicKey.export({ type: 'spki', format: 'pem' }).toString()))), 'algorithm')
  t.equal(outcomeOf(judge(`${signer.sign(GOOD)}.AAAA`)), 'format')
  t.equal(outcomeOf(judge('')), 'format')
  t.equal(outcomeOf(judge(signToken({ alg: 'RS256', kid: 'k1' }, '[]', signer.key))), 'payload')
})

t.test('the clients that are listed count, and no other', async (t) => {
  const judge = judgeWith({ audiences: new Set(['web', 'mobile']) })
  t.equal(outcomeOf(judge(signer.sign({ ...GOOD, aud: 'web' }))), 'good')
  t.match(judge(signer.sign(GOOD)), { fault: { fault: 'audience', detail: 'aud is "portcullis"; OIDC_LOGOUT_AUDIENCES is "web,mobile"' } })
})

t.test('with any client, only a session can be ended', async (t) => {
  const judge = judgeWith({ audiences: new Set(), anyClient: true })
  t.equal(outcomeOf(judge(signer.sign({ ...GOOD, aud: 'whatever' }))), 'good')
  t.equal(outcomeOf(judge(signer.sign({ ...GOOD, aud: 'whatever', sid: undefined }))), 'session_missing')
  t.equal(outcomeOf(judge(signer.sign({ ...GOOD, sid: undefined }))), 'session_missing')
  t.equal(outcomeOf(judge(signer.sign({ ...GOOD, aud: undefined }))), 'audience')
})

t.test('what is good says what it means', async (t) => {
  t.match(judgeWith()(signer.sign({ ...GOOD, sid: undefined })), { kind: 'good', issuer: { name: 'main' }, statement: { id: 'j1', sid: null, sub: 'alice', issuedAtS: NOW_S } })
})
