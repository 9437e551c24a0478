import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { isSecureEnough } from '../../src/tokens/fetch-keys.js'
import { makeCertificate } from '../support/certificate.js'
import { findFreePort } from '../support/free-port.js'
import { generateKey, startIssuer, type Behaviour } from '../support/issuer.js'
import { describe, startVerifier } from './fixture.js'

/** Short only where the time-out is what is tested: a busy machine must not bring it about elsewhere. */
const timeoutFor = (fault: string): number => fault === 'timeout' ? 1500 : 60_000

const good = generateKey('ES256', 'key-1')
const manyKeys = Array.from({ length: 101 }, (_, index) => ({ ...good.jwk, kid: `key-${index}` }))

const lies: ReadonlyArray<readonly [what: string, behaviour: Behaviour, fault: string, detail: string | null]> = [
  ['50 MB, valid as it is', 'huge', 'too_large', null],
  ['a body that drips without end', 'drip', 'timeout', null],
  ['nothing, ever', 'hang', 'timeout', null],
  ['HTML with status 200', 'html', 'not_json', null],
  ['a redirect to a good key set', 'redirect', 'redirect', '302'],
  ['status 500 with a good key set', 'status_500', 'status', '500'],
  ['a connection that drops', 'drop', 'connection_lost', 'UND_ERR_SOCKET'],
  ['an empty key set', { body: { keys: [] } }, 'no_usable_key', '0 published'],
  ['a key set with nothing to use', { body: { keys: [{ kty: 'oct', k: 'AA' }, 1] } }, 'no_usable_key', '2 published: 1 not_public, 1 malformed'],
  ['a list in place of an object', { body: [good.jwk] }, 'not_json', null],
  ['null', { body: null }, 'not_json', null],
  ['keys that are no list', { body: { keys: { 0: good.jwk } } }, 'bad_document', 'no list `keys`'],
  ['an object without keys', { body: { error: 'sorry' } }, 'bad_document', 'no list `keys`'],
  ['101 keys', { body: { keys: manyKeys } }, 'too_many_keys', '101']
]
for (const [what, behaviour, fault, detail] of lies) {
  t.test(`an issuer that answers ${what} leaves the keys at hand as they are`, async t => {
    const issuer = await startIssuer(t, { algorithm: 'ES256' })
    const { verifier, clock, failed, refreshed } = await startVerifier(t, [issuer.config()], { jwks: { timeoutMs: timeoutFor(fault) } })
    issuer.behave('jwks', behaviour)
    clock.advance(30_000)
    const unknown = issuer.sign({}, { key: generateKey('ES256', 'new') })
    t.equal(describe(await verifier.verify(unknown)), 'invalid_token unknown_key')
    t.same(failed, [fault])
    t.equal(refreshed.length, 1)
    t.equal(issuer.requests.jwks, 2)
    t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
  })

  t.test(`an issuer that answers ${what} from the start cannot be checked`, async t => {
    const issuer = await startIssuer(t, { algorithm: 'ES256' })
    issuer.behave('jwks', behaviour)
    const { verifier, failures } = await startVerifier(t, [issuer.config()], { jwks: { timeoutMs: timeoutFor(fault) } })
    t.equal(describe(verifier.verifyNow(issuer.sign())), 'unavailable keys_unavailable')
    t.same(failures, [{ ok: false, fault, detail, address: issuer.jwksUri }])
    t.match(verifier.status(), [{ tried: true, usable: false, ageS: null, fetches: { ok: 0, failed: 1 } }])
  })
}

t.test('a fetch that reaches nobody says what the system or TLS calls it, and where', async t => {
  const issuer = await startIssuer(t, { algorithm: 'ES256' })
  const [{ certFile, keyFile }, port] = await Promise.all([makeCertificate(t), findFreePort()])
  const tls = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) })
  await new Promise<void>(resolve => { tls.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { tls.close() })
  const addresses = [`http://127.0.0.1:${port}/keys`, 'http://no-such-host.invalid/keys', `https://127.0.0.1:${(tls.address() as AddressInfo).port}/keys`, `${issuer.url}/no-such-page?secret=1`]
  const { failures } = await startVerifier(t, addresses.map((jwksUri, index) => issuer.config({ name: String(index), jwksUri })))
  // A machine that reaches no name server says so.
  const said = failures.map(({ fault, detail, address }) => `${address} ${fault} ${detail === 'EAI_AGAIN' ? 'ENOTFOUND' : detail}`).toSorted()
  t.same(said, [
    `${addresses[0]} connection_refused ECONNREFUSED`,
    `${addresses[1]} name_not_found ENOTFOUND`,
    `${addresses[2]} tls DEPTH_ZERO_SELF_SIGNED_CERT`,
    `${issuer.url}/no-such-page status 404`
  ].toSorted())
})

t.test('exactly 100 keys are taken', async t => {
  const issuer = await startIssuer(t, { algorithm: 'ES256' })
  issuer.behave('jwks', { body: { keys: manyKeys.slice(0, 100) } })
  const { refreshed } = await startVerifier(t, [issuer.config()])
  t.equal(refreshed[0]?.keys, 100)
})

t.test('a time-out counts once for discovery and keys together', async t => {
  const issuer = await startIssuer(t, { discover: true, algorithm: 'ES256' })
  const startMs = performance.now()
  issuer.behave('jwks', 'drip')
  const { failed } = await startVerifier(t, [issuer.config()], { jwks: { timeoutMs: 1500 } })
  t.same(failed, ['timeout'])
  t.ok(performance.now() - startMs >= 1499)
})

t.test('the keys of an https issuer never come over http', async t => {
  t.ok(isSecureEnough('https://keys.example/jwks', 'https://issuer.example'))
  t.ok(isSecureEnough('https://keys.example/jwks', 'http://127.0.0.1:1'))
  t.ok(isSecureEnough('http://127.0.0.1:1/jwks', 'http://127.0.0.1:1'))
  t.notOk(isSecureEnough('http://issuer.example/jwks', 'https://issuer.example'))
})

t.test('keys are found by discovery', async t => {
  const issuer = await startIssuer(t, { discover: true, algorithm: 'ES256' })
  const { verifier } = await startVerifier(t, [issuer.config()])
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
  t.match(issuer.requests, { discovery: 1, jwks: 1 })
})

t.test('an issuer that moves its keys is followed by the next fetch', async t => {
  const issuer = await startIssuer(t, { discover: true, algorithm: 'ES256' })
  const elsewhere = await startIssuer(t, { algorithm: 'ES256' })
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  const moved = elsewhere.addKey({ kid: 'moved' })
  issuer.behave('discovery', { body: { issuer: issuer.issuer, jwks_uri: elsewhere.jwksUri } })
  clock.advance(30_000)
  t.equal(describe(await verifier.verify(issuer.sign({}, { key: moved }))), 'accepted alice')
})

const documents: ReadonlyArray<readonly [string, (issuer: string, jwksUri: string) => unknown, string]> = [
  ['names another issuer', (_, uri) => ({ issuer: 'https://elsewhere.example', jwks_uri: uri }), 'wrong_issuer'],
  ['names the issuer with a slash more', (issuer, uri) => ({ issuer: `${issuer}/`, jwks_uri: uri }), 'wrong_issuer'],
  ['names no issuer', (_, uri) => ({ jwks_uri: uri }), 'wrong_issuer'],
  ['names a list of issuers', (issuer, uri) => ({ issuer: [issuer], jwks_uri: uri }), 'wrong_issuer'],
  ['names no address of keys', issuer => ({ issuer }), 'bad_document'],
  ['names an address of keys that is none', issuer => ({ issuer, jwks_uri: '/jwks.json' }), 'bad_document'],
  ['names an address of keys that is no string', (issuer, uri) => ({ issuer, jwks_uri: [uri] }), 'bad_document'],
  ['names a file', issuer => ({ issuer, jwks_uri: 'file:///etc/passwd' }), 'insecure_uri'],
  ['names a data address', issuer => ({ issuer, jwks_uri: 'data:application/json,{"keys":[]}' }), 'insecure_uri'],
  ['names an address with a password', (issuer, uri) => ({ issuer, jwks_uri: uri.replace('//', '//a:b@') }), 'insecure_uri']
]
for (const [what, document, fault] of documents) {
  t.test(`a discovery document that ${what} is refused and its keys are not fetched`, async t => {
    const issuer = await startIssuer(t, { discover: true, algorithm: 'ES256' })
    issuer.behave('discovery', { body: document(issuer.issuer, issuer.jwksUri) })
    const { failed } = await startVerifier(t, [issuer.config()])
    t.same(failed, [fault])
    t.equal(issuer.requests.jwks, 0)
  })
}

t.test('an issuer whose name ends in a slash has its discovery document under that path, and must be named with it', async t => {
  const issuer = await startIssuer(t, { discover: true, algorithm: 'ES256' })
  const named = `${issuer.issuer}/`
  issuer.behave('discovery', { body: { issuer: named, jwks_uri: issuer.jwksUri } })
  const { verifier } = await startVerifier(t, [issuer.config({ issuer: named })])
  t.equal(describe(verifier.verifyNow(issuer.sign({ iss: named }))), 'accepted alice')
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'invalid_token unknown_issuer')
})
