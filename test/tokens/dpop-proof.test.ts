import t from 'tap'
import { checkProof, PROOF_MEMORY_MS, type Proof, type ProofFault } from '../../src/tokens/dpop-proof.js'
import { computeThumbprint } from '../../src/tokens/key-thumbprint.js'
import { createDpopClient, type ProofChanges } from '../support/dpop.js'
import { generateKey, type SigningAlgorithm } from '../support/issuer.js'

const TARGET = 'https://gateway.example/v1/tickets'
const TOKEN = 'header.payload.signature'
const CLIENT = createDpopClient()
const SECOND = createDpopClient()

const check = (text: string, target = TARGET): Proof | ProofFault =>
  checkProof(text, { method: 'POST', target, token: TOKEN, nowMs: Date.now() })
const outcome = (changes: ProofChanges): string => {
  const proof = check(CLIENT.prove(TARGET, TOKEN, changes))
  return typeof proof === 'string' ? proof : 'good'
}
const secondsAway = (s: number): number => Math.floor(Date.now() / 1000) + s

t.test('a proof by a key of each kind is good, and names the key', async (t) => {
  const algorithms: SigningAlgorithm[] = ['ES256', 'ES384', 'ES512', 'EdDSA', 'PS256', 'RS256', 'RS384']
  const found = algorithms.map((algorithm) => {
    const client = createDpopClient(algorithm)
    const proof = check(client.prove(TARGET, TOKEN))
    return [algorithm, typeof proof === 'string' ? proof : proof.jkt === client.jkt]
  })
  t.same(found.filter(([, isGood]) => isGood !== true), [])
})

t.test('a key of the curve Ed25519 signs by either name of its algorithm', async (t) => {
  const client = createDpopClient('EdDSA')
  const prove = (alg: string): unknown => check(client.prove(TARGET, TOKEN, { header: { alg } }))
  t.match(['EdDSA', 'Ed25519'].map(prove), [{ jkt: client.jkt }, { jkt: client.jkt }])
  t.equal(prove('Ed448'), 'alg')
  t.equal(check(CLIENT.prove(TARGET, TOKEN, { header: { alg: 'Ed25519' } })), 'jwk', 'a key of another curve is none for it')
})

t.test('the thumbprint is the one of the example of RFC 7638', async (t) => {
  const n = '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs' +
    'tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbIS' +
    'D08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
  t.equal(computeThumbprint({ kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' }), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
})

t.test('each thing that RFC 9449 asks of a proof is asked', async (t) => {
  const { kty, crv, x, y } = CLIENT.key.jwk
  const jwk = { kty, crv, x, y }
  const cases: Array<[ProofFault, ProofChanges]> = [
    ['typ', { header: { typ: 'JWT' } }],
    ['typ', { header: { typ: undefined } }],
    ['alg', { header: { alg: 'none' } }],
    ['alg', { header: { alg: 'HS256' } }],
    ['alg', { header: { alg: undefined } }],
    ['crit', { header: { crit: ['b64'] } }],
    ['jwk', { header: { jwk: undefined } }],
    ['jwk', { header: { jwk: 'text' } }],
    ['jwk', { header: { jwk: { ...jwk, d: 'a-private-part' } } }],
    ['jwk', { header: { jwk: { kty: 'oct', k: 'c2VjcmV0' } } }],
    ['jwk', { header: { jwk: { ...jwk, x: 'AAAA' } } }],
    ['jwk', { header: { alg: 'ES384' } }],
    ['jwk', { header: { alg: 'RS256', jwk: { ...generateKey('RS256', 'weak', 1024).jwk, kid: undefined } } }],
    ['signature', { signer: SECOND.key }],
    ['jti', { claims: { jti: undefined } }],
    ['jti', { claims: { jti: '' } }],
    ['jti', { claims: { jti: 7 } }],
    ['jti', { claims: { jti: 'j'.repeat(513) } }],
    ['htm', { claims: { htm: 'GET' } }],
    ['htm', { claims: { htm: 'post' } }],
    ['htm', { claims: { htm: undefined } }],
    ['htu', { claims: { htu: undefined } }],
    ['htu', { claims: { htu: 'https://other.example/v1/tickets' } }],
    ['htu', { claims: { htu: 'http://gateway.example/v1/tickets' } }],
    ['htu', { claims: { htu: 'https://gateway.example:8443/v1/tickets' } }],
    ['htu', { claims: { htu: 'https://gateway.example/v1/tickets/' } }],
    ['htu', { claims: { htu: 'https://gateway.example/v1/Tickets' } }],
    ['htu', { claims: { htu: 'https://me@gateway.example/v1/tickets' } }],
    ['htu', { claims: { htu: '/v1/tickets' } }],
    ['iat', { claims: { iat: undefined } }],
    ['iat', { claims: { iat: String(secondsAway(0)) } }],
    ['iat', { claims: { iat: secondsAway(-70) } }],
    ['iat', { claims: { iat: secondsAway(70) } }],
    ['iat', { claims: { iat: Number.POSITIVE_INFINITY } }],
    ['exp', { claims: { exp: secondsAway(-70) } }],
    ['exp', { claims: { exp: String(secondsAway(30)) } }],
    ['exp', { claims: { exp: null } }],
    ['nbf', { claims: { nbf: secondsAway(70) } }],
    ['nbf', { claims: { nbf: 'now' } }],
    ['ath', { claims: { ath: undefined } }],
    ['ath', { claims: { ath: 'another' } }]
  ]
  t.same(cases.filter(([fault, changes]) => outcome(changes) !== fault).map(([fault, changes]) => [fault, outcome(changes), changes]), [])
  t.equal(check(''), 'format')
  t.equal(check(`${CLIENT.prove(TARGET, TOKEN)}, ${CLIENT.prove(TARGET, TOKEN)}`), 'format', 'two headers are joined by a comma')
  t.equal(check(`${CLIENT.prove(TARGET, 'another.token.altogether')}`), 'ath', 'the proof of another token')
})

t.test('addresses are the same where they only differ in what normalization takes away', async (t) => {
  const same = [
    'HTTPS://GATEWAY.example/v1/tickets', 'https://gateway.example:443/v1/tickets', 'https://gateway.example/v1/./tickets',
    'https://gateway.example/x/../v1/tickets', 'https://gateway.example/v1/%74ickets', `${TARGET}?a=1`, `${TARGET}#part`
  ]
  t.same(same.filter(htu => outcome({ claims: { htu } }) !== 'good'), [])
  const escaped = CLIENT.prove('https://gateway.example/a%2fb/v1/tickets', TOKEN)
  t.type(check(escaped, 'https://gateway.example/a%2Fb/v1/tickets'), Object)
})

t.test('a proof is known again by key and jti', async (t) => {
  const idOf = (client: typeof CLIENT, jti: string): string => {
    const proof = check(client.prove(TARGET, TOKEN, { claims: { jti } }))
    return typeof proof === 'string' ? proof : proof.id
  }
  t.equal(idOf(CLIENT, 'a'), idOf(CLIENT, 'a'))
  t.not(idOf(CLIENT, 'a'), idOf(CLIENT, 'b'))
  t.not(idOf(CLIENT, 'a'), idOf(SECOND, 'a'), 'nobody can use up the jti of another')
})

t.test('a proof is remembered for as long as it could be shown again, from whatever time it says it is of', async (t) => {
  const nowMs = Date.now()
  const isGood = (proof: string, atMs: number): boolean => typeof checkProof(proof, { method: 'POST', target: TARGET, token: TOKEN, nowMs: atMs }) !== 'string'
  const early = CLIENT.prove(TARGET, TOKEN, { claims: { iat: Math.floor(nowMs / 1000) + 60 } })
  t.ok(isGood(early, nowMs))
  t.ok(isGood(early, nowMs + 118_000))
  t.notOk(isGood(early, nowMs + PROOF_MEMORY_MS))
})
