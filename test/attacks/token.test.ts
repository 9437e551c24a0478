import t from 'tap'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { encodeSegment, generateKey, signHmacToken, signToken, startIssuer } from '../support/issuer.js'
import { exchange, upgradeHead } from '../support/raw-socket.js'
import { freshAddress } from '../support/client.js'
import { present, presentRefused } from './present.js'

const issuer = await startIssuer(t)
const trap = await startIssuer(t)
const weak = generateKey('RS256', 'weak', 1024)
issuer.extraJwks.push(weak.jwk)
const gateway = await startGateway(t, trust(issuer))

const key = issuer.newestKey()
const nowS = Math.floor(Date.now() / 1000)
const claims = { iss: issuer.issuer, aud: issuer.audience, sub: 'alice', iat: nowS, exp: nowS + 300 }
const standard = `"iss":"${issuer.issuer}","aud":"${issuer.audience}","iat":${nowS}`
const good = issuer.sign()
const [header = '', payload = '', signature = ''] = good.split('.')
const pem = key.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const own = generateKey('RS256', key.kid)

const claim = (changed: Record<string, unknown>): string => issuer.sign(changed)
const head = (changed: Record<string, unknown>): string => issuer.sign({}, { header: changed })
const raw = (json: string): string => signToken({ alg: key.alg, kid: key.kid }, json, key)
const hmac = (secret: string): string => signHmacToken({ alg: 'HS256', typ: 'JWT', kid: key.kid }, claims, secret)
/** The same bytes in another spelling: the unused bits of the last character are set. */
const respelled = (segment: string): string => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return segment.slice(0, -1) + String(alphabet[alphabet.indexOf(segment.at(-1) ?? '') + 1])
}

/** Tokens of keys that may have been made since the issuer was asked. */
const unknown: ReadonlyArray<readonly [string, string]> = [
  ['a kid that climbs directories', head({ kid: '../../../etc/passwd' })],
  ['a kid with quotes', head({ kid: '\'" OR 1=1; --' })],
  ['the kid __proto__', head({ kid: '__proto__' })]
]
const refused: ReadonlyArray<readonly [string, string, string]> = [
  ['alg none, unsigned', `${encodeSegment({ alg: 'none', typ: 'JWT' })}.${payload}.`, 'format'],
  ['alg none above a real signature', head({ alg: 'none' }), 'algorithm'],
  ['alg NONE', head({ alg: 'NONE' }), 'algorithm'],
  ['alg nOnE', head({ alg: 'nOnE' }), 'algorithm'],
  ['no alg', head({ alg: undefined }), 'algorithm'],
  ['HS256 made with the public key as PEM', hmac(pem), 'algorithm'],
  ['HS256 made with the PEM behind white space', hmac(`\n \t${pem}`), 'algorithm'],
  ['HS256 made with the PEM behind a byte order mark', hmac(`\ufeff${pem}`), 'algorithm'],
  ['HS256 made with the PEM without its last line feed', hmac(pem.trimEnd()), 'algorithm'],
  ['HS256 made with the public key as JWK', hmac(JSON.stringify(key.jwk)), 'algorithm'],
  ['an algorithm that the key is not for', signToken({ alg: 'ES256', kid: key.kid }, claims, generateKey('ES256', key.kid)), 'unknown_key'],
  ['an algorithm that is not in the list', signToken({ alg: 'PS256', kid: key.kid }, claims, { ...key, alg: 'PS256' }), 'algorithm'],
  ['a published RSA key under 2048 bits', issuer.sign({}, { key: weak }), 'unknown_key'],
  ['an unknown crit', head({ crit: ['exp2'], exp2: 1 }), 'critical_header'],
  ['a key of the token\'s own as jwk', signToken({ alg: 'RS256', kid: key.kid, jwk: own.jwk }, claims, own), 'signature'],
  ['the address of a key set as jku', signToken({ alg: 'RS256', kid: key.kid, jku: trap.jwksUri }, claims, own), 'signature'],
  ['the address of a certificate as x5u', signToken({ alg: 'RS256', kid: key.kid, x5u: trap.jwksUri }, claims, own), 'signature'],
  ['a certificate as x5c', signToken({ alg: 'RS256', kid: key.kid, x5c: ['MIIB'] }, claims, own), 'signature'],
  ['no kid where the key was not the issuer\'s', signToken({ alg: 'RS256' }, claims, own), 'signature'],
  ['an empty kid', head({ kid: '' }), 'key_id'],
  ['a kid of 10 KB', head({ kid: 'k'.repeat(10_240) }), 'too_long'],
  ['a kid of 4 KB', head({ kid: 'k'.repeat(4096) }), 'key_id'],
  ['a kid with NUL', head({ kid: `${key.kid}\0` }), 'key_id'],
  ['a kid with CRLF', head({ kid: `${key.kid}\r\nSET x 1` }), 'key_id'],
  ['a kid that is a number', head({ kid: 1 }), 'key_id'],
  ['a kid that is an object', head({ kid: { toString: key.kid } }), 'key_id'],
  ['no exp', claim({ exp: undefined }), 'claim_missing'],
  ['exp as a string', claim({ exp: String(nowS + 300) }), 'expiry'],
  ['a negative exp', claim({ exp: -1 }), 'expiry'],
  ['exp Infinity', raw(`{${standard},"sub":"alice","exp":1e999}`), 'expiry'],
  ['exp null', claim({ exp: null }), 'expiry'],
  ['an exp a century ahead', claim({ exp: nowS + 3_153_600_000 }), 'lifetime'],
  ['an exp a second over the longest life', claim({ exp: nowS + 86_401, iat: nowS }), 'lifetime'],
  ['nbf ahead', claim({ nbf: nowS + 60 }), 'not_before'],
  ['iat ahead', claim({ iat: nowS + 60 }), 'issued_at'],
  ['no sub', claim({ sub: undefined }), 'claim_missing'],
  ['a numeric sub', claim({ sub: 7 }), 'subject'],
  ['sub as an array', claim({ sub: ['alice'] }), 'subject'],
  ['an empty sub', claim({ sub: '' }), 'subject'],
  ['a sub of 10 KB', claim({ sub: 's'.repeat(10_240) }), 'too_long'],
  ['a sub of 4 KB', claim({ sub: 's'.repeat(4096) }), 'subject'],
  ['a sub with CRLF', claim({ sub: 'alice\r\n' }), 'subject'],
  ['the reserved sub', claim({ sub: 'anonymous' }), 'subject'],
  ['no iss', claim({ iss: undefined }), 'claim_missing'],
  ['iss as an array', claim({ iss: [issuer.issuer] }), 'unknown_issuer'],
  ['iss with a slash more', claim({ iss: `${issuer.issuer}/` }), 'unknown_issuer'],
  ['iss in other case', claim({ iss: issuer.issuer.toUpperCase() }), 'unknown_issuer'],
  ['the iss of somebody else', claim({ iss: trap.issuer }), 'unknown_issuer'],
  ['no aud', claim({ aud: undefined }), 'audience'],
  ['another aud', claim({ aud: 'other' }), 'audience'],
  ['a list of others as aud', claim({ aud: ['a', 'b'] }), 'audience'],
  ['our aud only as azp, from an issuer that is no Keycloak', claim({ aud: undefined, azp: issuer.audience }), 'audience'],
  ['an ID token', claim({ typ: 'ID' }), 'token_type'],
  ['a refresh token', claim({ typ: 'Refresh' }), 'token_type'],
  ['a header of another kind of token', head({ typ: 'logout+jwt' }), 'header_type'],
  ['an array as payload', raw(`[{${standard},"sub":"alice","exp":${nowS + 300}}]`), 'payload'],
  ['null as payload', raw('null'), 'payload'],
  ['a number as payload', raw('7'), 'payload'],
  ['an exp given twice, the last too far', raw(`{${standard},"sub":"alice","exp":${nowS + 300},"exp":${nowS + 900_000}}`), 'lifetime'],
  ['an aud given twice, the last another', raw(`{${standard},"sub":"alice","exp":${nowS + 300},"aud":"other"}`), 'audience'],
  ['claims that only a prototype would have', raw(`{"__proto__":{${standard},"sub":"alice","exp":${nowS + 300}}}`), 'claim_missing'],
  ['padding behind a segment', `${good}==`, 'format'],
  ['white space behind the token', `${good} `, 'format'],
  ['a line feed inside a segment', `${header}.${payload.slice(0, 8)}\n${payload.slice(8)}.${signature}`, 'format'],
  ['the alphabet of plain base64', `${header}.${payload.slice(0, -1)}+.${signature}`, 'format'],
  ['a signature in another spelling of the same bytes', `${header}.${payload}.${respelled(signature)}`, 'format'],
  ['two segments', `${header}.${payload}`, 'format'],
  ['four segments', `${good}.${signature}`, 'format'],
  ['five segments, as an encrypted token has', `${good}.${signature}.${signature}`, 'format'],
  ['an empty signature', `${header}.${payload}.`, 'format'],
  ['the signature of another token', `${header}.${payload}.${issuer.sign({ sub: 'bob' }).split('.')[2] ?? ''}`, 'signature'],
  ['a payload of the attacker\'s under a real signature', `${header}.${encodeSegment({ ...claims, sub: 'root' })}.${signature}`, 'signature']
]

t.test('tokens that must not open the door', async (t) => {
  for (const [what, token, fault] of refused) {
    await t.test(`${what} is 401 invalid_token`, async (t) => {
      t.equal(await presentRefused(t, gateway, token), `401 invalid_token ${fault}`)
    })
  }
})

t.test('a key that was not fetched yet is to be waited for, whatever its name', async (t) => {
  for (const [what, token] of unknown) t.equal(await presentRefused(t, gateway, token), '503 unavailable unknown_key', what)
})

t.test('a token that is over is told so only when nothing else is wrong with it', async (t) => {
  const past = { iat: nowS - 600, exp: nowS - 60 }
  t.equal(await presentRefused(t, gateway, claim(past)), '401 expired_token expired')
  t.equal(await presentRefused(t, gateway, claim({ ...past, aud: 'other' })), '401 invalid_token audience')
  t.equal(await presentRefused(t, gateway, `${claim(past).slice(0, -8)}AAAAAAAA`), '401 invalid_token signature')
})

t.test('a token of 100 KB is refused, or its connection ends, by whatever carrier', async (t) => {
  const huge = raw(JSON.stringify({ ...claims, padding: 'p'.repeat(75_000) }))
  t.ok(huge.length > 100_000)
  for (const bytes of [upgradeHead(`/ws?token=${huge}`), upgradeHead('/ws', { Authorization: `Bearer ${huge}` }), upgradeHead('/ws', { 'Sec-WebSocket-Protocol': `portcullis.v1, bearer.${huge}` })]) {
    const answer = await exchange(t, gateway, bytes, freshAddress())
    t.ok(answer === null || [400, 431].includes(answer.status), String(answer?.status))
  }
})

t.test('good tokens of the same issuer, which make the refusals above mean something', async (t) => {
  const accepted: ReadonlyArray<readonly [string, string]> = [
    ['as it comes', claim({ sub: 'as-it-comes' })],
    ['of type at+jwt', issuer.sign({ sub: 'typed' }, { header: { typ: 'at+jwt' } })],
    ['with our aud among others', claim({ sub: 'among', aud: ['other', issuer.audience] })],
    ['with a fraction in exp', claim({ sub: 'fraction', exp: nowS + 300.5 })],
    ['of the longest life', claim({ sub: 'longest', iat: nowS, exp: nowS + 86_400 })],
    ['without kid while there is one key', issuer.sign({ sub: 'kidless' }, { header: { kid: undefined } })]
  ]
  for (const [what, token] of accepted) t.same(await present(t, gateway, token), { status: 101, error: '' }, what)
})

t.test('nobody was asked for a key that a token named, and no fault was logged', async (t) => {
  t.same(trap.requests, { jwks: 0, discovery: 0, introspection: 0 })
  t.equal(issuer.requests.jwks, 1, 'a kid that nobody knows costs no fetch within the cooldown')
  t.same(gateway.log.filter(line => line.event === 'fault'), [])
  t.equal(gateway.stderr(), '')
})

t.test('a Keycloak issuer', async (t) => {
  const keycloak = await startIssuer(t, { preset: 'keycloak', audience: 'gateway' })
  const settings = { KEYCLOAK_URL: keycloak.url, KEYCLOAK_REALM: 'demo', KEYCLOAK_CLIENT_ID: 'gateway', KEYCLOAK_CLIENT_SECRET: 'client-secret', KEYCLOAK_INTROSPECT: 'true' }
  const behind: TestGateway = await startGateway(t, settings)
  for (const typ of ['ID', 'Refresh', 'Offline', 'Logout', 'id', 'REFRESH']) {
    await t.test(`refuses a token of type ${typ} though its client is ours`, async (t) => {
      t.equal(await presentRefused(t, behind, keycloak.sign({ typ, aud: undefined, azp: 'gateway' })), '401 invalid_token token_type')
    })
  }
  await t.test('refuses a token that another client asked for', async (t) => {
    t.equal(await presentRefused(t, behind, keycloak.sign({ typ: 'Bearer', aud: 'account', azp: 'other' })), '401 invalid_token audience')
  })
  await t.test('is not asked about a token that is bad in any way', async (t) => {
    t.equal(keycloak.requests.introspection, 0)
  })
  await t.test('accepts an access token by azp, and refuses one that it calls inactive', async (t) => {
    const token = keycloak.sign({ typ: 'Bearer', aud: 'account', azp: 'gateway' })
    const ended = keycloak.sign({ typ: 'Bearer', aud: 'account', azp: 'gateway', sid: 'ended' })
    keycloak.inactive.add(ended)
    t.equal((await present(t, behind, token)).status, 101)
    t.equal(await presentRefused(t, behind, ended), '401 revoked inactive')
  })
})
