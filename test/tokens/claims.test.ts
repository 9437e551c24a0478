import t from 'tap'
import { signToken, startIssuer } from '../support/issuer.js'
import { describe, startVerifier } from './fixture.js'

const issuer = await startIssuer(t)
const key = issuer.newestKey()
const { verifier } = await startVerifier(t, [issuer.config({ audience: [issuer.audience, 'second'] })])
const nowS = Math.floor(Date.now() / 1000)
const header = { alg: key.alg, kid: key.kid }
const standard = `"iss":"${issuer.issuer}","aud":"${issuer.audience}","sub":"alice","iat":${nowS}`
const raw = (json: string): string => signToken(header, json, key)
const claim = (claims: Record<string, unknown>): string => issuer.sign(claims)
const face = '\u{1f600}'

const refused: ReadonlyArray<readonly [string, string, string]> = [
  ['a missing exp', claim({ exp: undefined }), 'claim_missing'],
  ['exp as a string', claim({ exp: String(nowS + 300) }), 'expiry'],
  ['exp null', claim({ exp: null }), 'expiry'],
  ['a negative exp', claim({ exp: -1 }), 'expiry'],
  ['exp Infinity', raw(`{${standard},"exp":1e999}`), 'expiry'],
  ['exp as an array', claim({ exp: [nowS + 300] }), 'expiry'],
  ['an exp a century ahead', claim({ exp: nowS + 3_153_600_000 }), 'lifetime'],
  ['an exp that overflows in milliseconds', raw(`{${standard},"exp":1e308}`), 'lifetime'],
  ['a life one second longer than allowed', claim({ exp: nowS + 86_401, iat: nowS }), 'lifetime'],
  ['no iat', claim({ iat: undefined }), 'claim_missing'],
  ['iat null', claim({ iat: null }), 'issued_at'],
  ['nbf ahead', claim({ nbf: nowS + 60 }), 'not_before'],
  ['nbf as a string', claim({ nbf: '0' }), 'not_before'],
  ['nbf null', claim({ nbf: null }), 'not_before'],
  ['iat ahead', claim({ iat: nowS + 60 }), 'issued_at'],
  ['iat as a string', claim({ iat: String(nowS) }), 'issued_at'],
  ['iat -Infinity', raw(`{${standard},"exp":${nowS + 300},"iat":-1e999}`), 'issued_at'],
  ['no sub', claim({ sub: undefined }), 'claim_missing'],
  ['a numeric sub', claim({ sub: 7 }), 'subject'],
  ['sub as an array', claim({ sub: ['alice'] }), 'subject'],
  ['sub null', claim({ sub: null }), 'subject'],
  ['an empty sub', claim({ sub: '' }), 'subject'],
  ['a sub of 257 characters', claim({ sub: 's'.repeat(257) }), 'subject'],
  ['a sub of 257 characters outside the basic plane', claim({ sub: face.repeat(257) }), 'subject'],
  ['a sub of 5 KB', claim({ sub: 's'.repeat(5120) }), 'subject'],
  ['the reserved sub', claim({ sub: 'anonymous' }), 'subject'],
  ['a sub with a line feed', claim({ sub: 'alice\n' }), 'subject'],
  ['a sub with NUL', claim({ sub: 'ali\0ce' }), 'subject'],
  ['a sub with an escape sequence', claim({ sub: '\u001b[31malice' }), 'subject'],
  ['a sub with a C1 control', claim({ sub: 'alice\u0085' }), 'subject'],
  ['a sub with a line separator', claim({ sub: 'alice\u2028' }), 'subject'],
  ['a sub with a lone surrogate', raw(`{${standard},"sub":"\\ud800","exp":${nowS + 300}}`), 'subject'],
  ['a sub that is no UTF-8', signToken(header, Buffer.concat([
    Buffer.from(`{${standard},"exp":${nowS + 300},"sub":"`), Buffer.from([0xff]), Buffer.from('"}')
  ]), key), 'subject'],
  ['no iss', claim({ iss: undefined }), 'claim_missing'],
  ['iss as an array', claim({ iss: [issuer.issuer] }), 'unknown_issuer'],
  ['iss with a slash more', claim({ iss: `${issuer.issuer}/` }), 'unknown_issuer'],
  ['iss in other case', claim({ iss: issuer.issuer.toUpperCase() }), 'unknown_issuer'],
  ['another iss', claim({ iss: 'https://elsewhere.example' }), 'unknown_issuer'],
  ['no aud', claim({ aud: undefined }), 'audience'],
  ['another aud', claim({ aud: 'elsewhere' }), 'audience'],
  ['an aud that only begins like ours', claim({ aud: `${issuer.audience}2` }), 'audience'],
  ['an empty list of aud', claim({ aud: [] }), 'audience'],
  ['an aud list without ours', claim({ aud: ['a', 'b'] }), 'audience'],
  ['an aud list with something that is no string', claim({ aud: [issuer.audience, 1] }), 'audience'],
  ['aud as an object', claim({ aud: { [issuer.audience]: true } }), 'audience'],
  ['azp in place of aud from an issuer that is no Keycloak', claim({ aud: undefined, azp: issuer.audience }), 'audience'],
  ['an ID token', claim({ typ: 'ID' }), 'token_type'],
  ['a refresh token', claim({ typ: 'Refresh' }), 'token_type'],
  ['a refresh token in other case', claim({ typ: 'REFRESH' }), 'token_type'],
  ['an offline token', claim({ typ: 'Offline' }), 'token_type'],
  ['a logout token', claim({ typ: 'Logout' }), 'token_type'],
  ['a typ that is no string', claim({ typ: ['Bearer'] }), 'token_type'],
  ['a payload that is an array', raw(`[{${standard}}]`), 'payload'],
  ['a payload that is null', raw('null'), 'payload'],
  ['a payload that is a number', raw('1'), 'payload'],
  ['a payload that is a string', raw('"alice"'), 'payload'],
  ['a payload that is no JSON', raw(`{${standard}`), 'payload'],
  ['a payload nested 5,000 deep', raw('['.repeat(5000)), 'payload'],
  ['claims that only a prototype would have', raw(`{"__proto__":{${standard},"exp":${nowS + 300}}}`), 'claim_missing'],
  ['an exp given twice, the last too far', raw(`{${standard},"exp":${nowS + 300},"exp":${nowS + 900_000}}`), 'lifetime']
]
for (const [what, token, fault] of refused) {
  t.test(`${what} is refused`, async t => {
    t.equal(describe(await verifier.verify(token)), `invalid_token ${fault}`)
  })
}

const accepted: ReadonlyArray<readonly [string, string, string]> = [
  ['a fraction in exp', claim({ exp: nowS + 300.5 }), 'alice'],
  ['the longest allowed life', claim({ iat: nowS, exp: nowS + 86_400 }), 'alice'],
  ['nbf and iat ahead by less than the tolerance', claim({ nbf: nowS + 4, iat: nowS + 4, exp: nowS + 300 }), 'alice'],
  ['a sub of 256 characters', claim({ sub: 's'.repeat(256) }), 's'.repeat(256)],
  ['a sub of 256 characters outside the basic plane', claim({ sub: face.repeat(256) }), face.repeat(256)],
  ['a sub with spaces, colons and letters of any script', claim({ sub: 'auth0|Ünï cödé:*{}' }), 'auth0|Ünï cödé:*{}'],
  ['an aud list with ours', claim({ aud: ['other', issuer.audience] }), 'alice'],
  ['the second of our audiences', claim({ aud: 'second' }), 'alice'],
  ['typ Bearer', claim({ typ: 'Bearer' }), 'alice'],
  ['a sub given twice: the last, the one that all parts read', raw(`{${standard},"sub":"bob","exp":${nowS + 300}}`), 'bob']
]
for (const [what, token, userId] of accepted) {
  t.test(`${what} is accepted`, async t => {
    t.equal(describe(verifier.verifyNow(token)), `accepted ${userId}`)
  })
}

t.test('a token is expired when it is good in every other way, and invalid when it is not', async t => {
  const past = { iat: nowS - 600, exp: nowS - 60 }
  t.equal(describe(verifier.verifyNow(claim(past))), 'expired_token expired')
  t.equal(describe(verifier.verifyNow(claim({ exp: nowS - 60 }))), 'expired_token expired', 'also when issued after its end')
  t.equal(describe(verifier.verifyNow(claim({ exp: 0 }))), 'expired_token expired')
  t.equal(describe(verifier.verifyNow(claim({ ...past, aud: 'elsewhere' }))), 'invalid_token audience')
  t.equal(describe(verifier.verifyNow(claim({ ...past, typ: 'ID' }))), 'invalid_token token_type')
  const token = claim(past)
  t.equal(describe(verifier.verifyNow(`${token.slice(0, -8)}AAAAAAAA`)), 'invalid_token signature')
})

t.test('the tolerance ends to the millisecond, on the first look and on a later one', async t => {
  const { verifier, clock } = await startVerifier(t, [issuer.config()], { settings: { clockToleranceMs: 2000 } })
  clock.freeze()
  const exp = Math.floor(clock.now() / 1000) + 10
  const [looked, fresh] = [claim({ exp }), claim({ exp, jti: 'fresh' })]
  t.equal(describe(verifier.verifyNow(looked)), 'accepted alice')
  clock.advance(exp * 1000 + 1999 - clock.now())
  t.equal(describe(verifier.verifyNow(looked)), 'accepted alice')
  t.equal(describe(verifier.verifyNow(claim({ exp, jti: 'last' }))), 'accepted alice')
  clock.advance(1)
  t.equal(describe(verifier.verifyNow(looked)), 'expired_token expired')
  t.equal(describe(verifier.verifyNow(looked)), 'expired_token expired', 'and stays so once forgotten')
  t.equal(describe(verifier.verifyNow(fresh)), 'expired_token expired')
})

t.test('an identity carries what the claims say, times in milliseconds', async t => {
  const token = claim({ jti: 'j1', sid: 's1', scope: 'ws:send  openid', agents: ['a1'], iat: nowS, exp: nowS + 300.5 })
  const verdict = verifier.verifyNow(token)
  if (verdict === null || !verdict.ok) {
    t.fail(describe(verdict))
    return
  }
  const { claims, scopes, ...rest } = verdict.identity
  t.same(rest, {
    userId: 'alice',
    subject: 'alice',
    issuer: 'main',
    expiresAtMs: (nowS + 300.5) * 1000,
    issuedAtMs: nowS * 1000,
    tokenId: 'j1',
    sessionId: 's1',
    confirmation: null,
    insecure: false
  })
  t.same([...scopes], ['ws:send', 'openid'])
  t.same(claims['agents'], ['a1'])
})

t.test('claims of the wrong type name no token, session or scope', async t => {
  const verdict = verifier.verifyNow(claim({ jti: 1, sid: ['s'], scope: { 'ws:send': true } }))
  if (verdict === null || !verdict.ok) {
    t.fail(describe(verdict))
    return
  }
  const { tokenId, sessionId, scopes, scopeMistake } = verdict.identity
  t.same({ tokenId, sessionId, scopes: scopes.size }, { tokenId: null, sessionId: null, scopes: 0 })
  t.equal(scopeMistake, 'scope is an object, wanted is a text with spaces between them, or a list of texts')
})
