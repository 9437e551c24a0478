import t from 'tap'
import { encodeSegment, generateKey, signHmacToken, signToken, startIssuer } from '../support/issuer.js'
import { describe, startVerifier } from './fixture.js'

const issuer = await startIssuer(t, { algorithm: 'RS256' })
const key = issuer.newestKey()
const { verifier } = await startVerifier(t, [issuer.config()])
const nowS = Math.floor(Date.now() / 1000)
const claims = { iss: issuer.issuer, aud: issuer.audience, sub: 'alice', iat: nowS, exp: nowS + 300 }
const pem = key.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const jwkText = JSON.stringify(key.jwk)
const hmacHeader = { alg: 'HS256', typ: 'JWT', kid: key.kid }
const signed = (header: Record<string, unknown>): string => issuer.sign({}, { header })
const unsigned = (alg: unknown): string => `${encodeSegment({ alg, typ: 'JWT', kid: key.kid })}.${encodeSegment(claims)}.`

const refused: ReadonlyArray<readonly [string, string, string]> = [
  ['alg none without a signature', unsigned('none'), 'format'],
  ['alg none with a signature', signed({ alg: 'none' }), 'algorithm'],
  ['alg nOnE', signed({ alg: 'nOnE' }), 'algorithm'],
  ['alg NONE', signed({ alg: 'NONE' }), 'algorithm'],
  ['a missing alg', signed({ alg: undefined }), 'algorithm'],
  ['an empty alg', signed({ alg: '' }), 'algorithm'],
  ['alg in an array', signed({ alg: ['RS256'] }), 'algorithm'],
  ['alg rs256 in small letters', signed({ alg: 'rs256' }), 'algorithm'],
  ['alg __proto__', signed({ alg: '__proto__' }), 'algorithm'],
  ['HS256 made with the public key as PEM', signHmacToken(hmacHeader, claims, pem), 'algorithm'],
  ['HS256 made with the PEM after white space', signHmacToken(hmacHeader, claims, `\n ${pem}`), 'algorithm'],
  ['HS256 made with the PEM after a BOM', signHmacToken(hmacHeader, claims, `\ufeff${pem}`), 'algorithm'],
  ['HS256 made with the JWK', signHmacToken(hmacHeader, claims, jwkText), 'algorithm'],
  ['HS512 made with the public key', signHmacToken({ ...hmacHeader, alg: 'HS512' }, claims, pem), 'algorithm'],
  ['an RSA algorithm that the issuer may not use', signToken({ alg: 'PS256', kid: key.kid }, claims, { ...key, alg: 'PS256' }), 'algorithm'],
  ['an algorithm that the key is not for', signed({ alg: 'ES256' }), 'unknown_key'],
  ['an unknown crit', signed({ crit: ['exp2'], exp2: 1 }), 'critical_header'],
  ['an empty crit', signed({ crit: [] }), 'critical_header'],
  ['a null crit', signed({ crit: null }), 'critical_header'],
  ['b64 false', signed({ b64: false, crit: ['b64'] }), 'critical_header'],
  ['b64 without crit', signed({ b64: false }), 'critical_header'],
  ['an empty kid', signed({ kid: '' }), 'key_id'],
  ['a kid of 10 KB', signed({ kid: 'k'.repeat(10_240) }), 'too_long'],
  ['a kid of 257 characters', signed({ kid: 'k'.repeat(257) }), 'key_id'],
  ['a numeric kid', signed({ kid: 1 }), 'key_id'],
  ['a null kid', signed({ kid: null }), 'key_id'],
  ['a kid in an array', signed({ kid: [key.kid] }), 'key_id'],
  ['a kid that climbs directories', signed({ kid: '../../dev/null' }), 'unavailable unknown_key'],
  ['a kid with quotes', signed({ kid: '\'"; --' }), 'unavailable unknown_key'],
  ['a kid with NUL', signed({ kid: `${key.kid}\0` }), 'key_id'],
  ['a kid with CRLF', signed({ kid: `${key.kid}\r\n` }), 'key_id'],
  ['kid __proto__', signed({ kid: '__proto__' }), 'unavailable unknown_key'],
  ['kid constructor', signed({ kid: 'constructor' }), 'unavailable unknown_key'],
  ['typ of another kind of token', signed({ typ: 'logout+jwt' }), 'header_type'],
  ['typ dpop+jwt', signed({ typ: 'dpop+jwt' }), 'header_type'],
  ['typ JWE', signed({ typ: 'JWE' }), 'header_type'],
  ['a typ that is no string', signed({ typ: 1 }), 'header_type'],
  ['a header that is an array', signToken([{ alg: 'RS256' }], claims, key), 'header'],
  ['a header that is null', signToken(null, claims, key), 'header'],
  ['a header that is no JSON', signToken('alg=RS256', claims, key), 'header'],
  ['a header after a BOM', signToken(`\ufeff{"alg":"RS256","kid":"${key.kid}"}`, claims, key), 'header'],
  ['two algs of which the last is none', signToken(`{"alg":"RS256","kid":"${key.kid}","alg":"none"}`, claims, key), 'algorithm']
]
for (const [what, token, fault] of refused) {
  t.test(`${what} is refused`, async t => {
    t.equal(describe(await verifier.verify(token)), fault.includes(' ') ? fault : `invalid_token ${fault}`)
  })
}

t.test('a good token is accepted, so that the refusals above mean something', async t => {
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
})

for (const typ of [undefined, 'jwt', 'JWT', 'at+jwt', 'AT+JWT', 'application/at+jwt']) {
  t.test(`header type ${typ ?? 'left out'} is that of an access token`, async t => {
    t.equal(describe(verifier.verifyNow(signed({ typ }))), 'accepted alice')
  })
}

t.test('a token without kid verifies while the issuer has exactly one key for its algorithm', async t => {
  t.equal(describe(verifier.verifyNow(signed({ kid: undefined }))), 'accepted alice')
  const two = await startIssuer(t)
  two.addKey()
  two.addKey({ alg: 'ES256' })
  const { verifier: ofTwo } = await startVerifier(t, [two.config()])
  const anyKid = { kid: undefined }
  t.equal(describe(ofTwo.verifyNow(two.sign({}, { header: anyKid }))), 'accepted alice')
  t.equal(describe(await ofTwo.verify(two.sign({}, { key: two.keys[0]!, header: anyKid }))), 'invalid_token unknown_key')
})

t.test('keys and addresses that the token itself brings have no effect and cause no request', async t => {
  const trap = await startIssuer(t)
  const own = generateKey('RS256', key.kid)
  const brought = { jku: trap.jwksUri, x5u: trap.jwksUri, jwk: own.jwk, x5c: ['MIIB'], 'x5t#S256': 'AA' }
  const forged = signToken({ alg: 'RS256', kid: key.kid, ...brought }, claims, own)
  t.equal(describe(await verifier.verify(forged)), 'invalid_token signature')
  t.equal(describe(await verifier.verify(signToken({ alg: 'RS256', ...brought }, claims, own))), 'invalid_token signature')
  t.equal(describe(verifier.verifyNow(signed(brought))), 'accepted alice')
  t.same(trap.requests, { jwks: 0, discovery: 0, introspection: 0 })
})

t.test('a signature that is another one, changed, cut, longer or empty of meaning is refused', async t => {
  const token = issuer.sign()
  const [header = '', payload = '', signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const flipped = Buffer.from(bytes)
  flipped[0] = flipped[0]! ^ 1
  const other = issuer.sign({ sub: 'bob' }).split('.')[2] ?? ''
  for (const wrong of [flipped, bytes.subarray(1), Buffer.concat([bytes, bytes]), Buffer.alloc(256), Buffer.from([0])]) {
    t.equal(describe(await verifier.verify(`${header}.${payload}.${wrong.toString('base64url')}`)), 'invalid_token signature')
  }
  t.equal(describe(await verifier.verify(`${header}.${payload}.${other}`)), 'invalid_token signature')
  const changed = encodeSegment({ ...claims, sub: 'admin' })
  t.equal(describe(await verifier.verify(`${header}.${changed}.${signature}`)), 'invalid_token signature')
})

for (const alg of ['ES256', 'EdDSA', 'ES384', 'ES512', 'PS256'] as const) {
  t.test(`a token signed with ${alg} verifies by that algorithm only, and zeros are no signature`, async t => {
    const modern = await startIssuer(t, { algorithm: alg })
    const { verifier } = await startVerifier(t, [modern.config({ algorithms: [alg] })])
    const token = modern.sign()
    t.equal(describe(verifier.verifyNow(token)), 'accepted alice')
    const length = Buffer.from(token.split('.')[2] ?? '', 'base64url').length
    const zeros = `${token.slice(0, token.lastIndexOf('.'))}.${Buffer.alloc(length).toString('base64url')}`
    t.equal(describe(verifier.verifyNow(zeros)), 'invalid_token signature')
  })
}

t.test('a refused token leaves the depth of stack traces as it was', async t => {
  const before = Error.stackTraceLimit
  t.teardown(() => { Error.stackTraceLimit = before })
  Error.stackTraceLimit = 17
  t.equal(describe(verifier.verifyNow(`${issuer.sign().slice(0, -4)}AAAA`)), 'invalid_token signature')
  t.equal(Error.stackTraceLimit, 17)
})
