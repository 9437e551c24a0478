import t, { type Test } from 'tap'
import { generateKey, signToken, startIssuer, type IssuerKey, type SigningAlgorithm } from '../support/issuer.js'
import { isObject } from '../../src/tokens/token-format.js'
import { describe, startVerifier } from './fixture.js'

type Jwk = Record<string, unknown>

const rsa = generateKey('RS256', 'tested')
const algorithms: readonly SigningAlgorithm[] = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']

/** Publishes the given members beside one good key, and says what becomes of a token signed with the key under test. */
async function tryKey (t: Test, key: IssuerKey, jwk: unknown, alg: string = key.alg): Promise<string> {
  const issuer = await startIssuer(t, { algorithm: 'EdDSA' })
  issuer.extraJwks.push(jwk)
  const { verifier, refreshed } = await startVerifier(t, [issuer.config({ algorithms })])
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice', 'the good key of the same set is used')
  const token = issuer.sign({}, { key: { ...key, alg: alg as SigningAlgorithm } })
  const skipped = Object.keys(refreshed[0]?.skipped ?? {}).join()
  return `${describe(await verifier.verify(token))}${skipped === '' ? '' : ` ${skipped}`}`
}

const without = (jwk: Jwk, ...members: string[]): Jwk =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => !members.includes(name)))
const privateMembers = rsa.privateKey.export({ format: 'jwk' })
const smallKey = generateKey('RS256', 'tested', 1024)
const ec = generateKey('ES256', 'tested')

const skipped: ReadonlyArray<readonly [string, IssuerKey, unknown, string]> = [
  ['a key for encryption, as Keycloak publishes one', rsa, { ...rsa.jwk, use: 'enc', alg: 'RSA-OAEP' }, 'not_for_signatures'],
  ['a key for encryption without alg', rsa, { ...without(rsa.jwk, 'alg'), use: 'enc' }, 'not_for_signatures'],
  ['a key whose operations do not include verify', rsa, { ...rsa.jwk, key_ops: ['encrypt'] }, 'not_for_signatures'],
  ['a key whose operations are no list', rsa, { ...rsa.jwk, key_ops: 'verify' }, 'not_for_signatures'],
  ['an RSA key under 2048 bits', smallKey, smallKey.jwk, 'weak'],
  ['an RSA key with the public exponent 1', rsa, { ...rsa.jwk, e: 'AQ' }, 'weak'],
  ['an RSA key with an even public exponent', rsa, { ...rsa.jwk, e: 'AQAA' }, 'weak'],
  ['a symmetric key', rsa, { kty: 'oct', kid: 'tested', alg: 'HS256', k: 'c2VjcmV0' }, 'not_public'],
  ['a key with its private part', rsa, { ...privateMembers, kid: 'tested', alg: 'RS256' }, 'not_public'],
  ['a key bound to an algorithm that is not allowed', rsa, { ...rsa.jwk, alg: 'RS512' }, 'unsupported'],
  ['an RSA key bound to an algorithm of another key type', rsa, { ...rsa.jwk, alg: 'ES256' }, 'unsupported'],
  ['a curve that no allowed algorithm uses', ec, { ...ec.jwk, crv: 'secp256k1', alg: undefined }, 'unsupported'],
  ['a curve bound to the algorithm of another', ec, { ...ec.jwk, alg: 'ES384' }, 'unsupported'],
  ['a point that is not on its curve', ec, { ...ec.jwk, x: ec.jwk['y'] }, 'malformed'],
  ['a curve of another key type', ec, { ...ec.jwk, kty: 'OKP' }, 'malformed'],
  ['a key without its modulus', rsa, without(rsa.jwk, 'n'), 'malformed'],
  ['a modulus that is no string', rsa, { ...rsa.jwk, n: { toString: 1 } }, 'malformed'],
  ['a key type that is no string', rsa, { ...rsa.jwk, kty: { toString: 1 } }, 'unsupported'],
  ['a kid that is no string', rsa, { ...rsa.jwk, kid: 1 }, 'malformed'],
  ['a key without kid, for a token that names one', rsa, without(rsa.jwk, 'kid'), ''],
  ['null in place of a key', rsa, null, 'malformed'],
  ['a list in place of a key', rsa, [rsa.jwk], 'malformed']
]
for (const [what, key, jwk, reason] of skipped) {
  t.test(`${what} verifies nothing and spoils nothing`, async t => {
    const isNamed = isObject(jwk) && jwk['kid'] === key.kid
    t.equal(await tryKey(t, key, jwk), `${isNamed ? 'invalid_token' : 'unavailable'} unknown_key${reason === '' ? '' : ` ${reason}`}`)
  })
}

const used: ReadonlyArray<readonly [string, IssuerKey, unknown]> = [
  ['an RSA key without use', rsa, without(rsa.jwk, 'use')],
  ['an RSA key without use and alg', rsa, without(rsa.jwk, 'use', 'alg')],
  ['an RSA key whose operations include verify', rsa, { ...without(rsa.jwk, 'use'), key_ops: ['verify'] }],
  ['an RSA key with certificates', rsa, { ...rsa.jwk, x5c: ['MIIB'], x5t: 'AA' }],
  ['an elliptic curve key without use and alg', ec, without(ec.jwk, 'use', 'alg')],
  ['a key that is published twice, the same each time', ec, ec.jwk]
]
for (const [what, key, jwk] of used) {
  t.test(`${what} verifies`, async t => { t.equal(await tryKey(t, key, jwk), 'accepted alice') })
}

t.test('alg in a key binds it, and without alg the issuer\'s list does', async t => {
  t.equal(await tryKey(t, rsa, rsa.jwk, 'PS256'), 'invalid_token unknown_key')
  t.equal(await tryKey(t, rsa, without(rsa.jwk, 'alg'), 'PS256'), 'accepted alice')
  t.equal(await tryKey(t, rsa, without(rsa.jwk, 'alg'), 'RS384'), 'invalid_token algorithm')
})

t.test('two different keys under one kid are both left out, and the others stay', async t => {
  const issuer = await startIssuer(t)
  const twins = [generateKey('RS256', 'twin'), generateKey('RS256', 'twin'), generateKey('ES256', 'twin')] as const
  issuer.extraJwks.push(...twins.map(each => each.jwk))
  const { verifier, refreshed } = await startVerifier(t, [issuer.config()])
  t.same(refreshed[0], { issuer: 'main', keys: 2, skipped: { ambiguous: 2 }, removed: 0 })
  t.equal(describe(await verifier.verify(issuer.sign({}, { key: twins[0] }))), 'invalid_token unknown_key')
  t.equal(describe(await verifier.verify(issuer.sign({}, { key: twins[1] }))), 'invalid_token unknown_key')
  t.equal(describe(await verifier.verify(issuer.sign({}, { key: twins[2] }))), 'accepted alice', 'no doubt for its algorithm')
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
})

t.test('a key published twice counts once', async t => {
  const issuer = await startIssuer(t)
  issuer.extraJwks.push(issuer.newestKey().jwk)
  const { verifier, refreshed } = await startVerifier(t, [issuer.config()])
  t.equal(refreshed[0]?.keys, 1)
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
})

t.test('a key without kid serves tokens without kid', async t => {
  const issuer = await startIssuer(t, { algorithm: 'ES256' })
  issuer.extraJwks.push(without(rsa.jwk, 'kid'))
  const { verifier } = await startVerifier(t, [issuer.config()])
  const { iss, aud } = { iss: issuer.issuer, aud: issuer.audience }
  const token = signToken({ alg: 'RS256' }, { iss, aud, sub: 'alice', iat: Date.now() / 1000, exp: Date.now() / 1000 + 60 }, rsa)
  t.equal(describe(verifier.verifyNow(token)), 'accepted alice')
})
