import t from 'tap'
import { isSecureEnough } from '../../src/tokens/fetch-keys.js'
import { generateKey, startIssuer, type Behaviour } from '../support/issuer.js'
import { describe, startVerifier } from './fixture.js'

/** Short only where the time-out is what is tested: a busy machine must not bring it about elsewhere. */
const timeoutFor = (fault: string): number => fault === 'timeout' ? 1500 : 60_000

const good = generateKey('ES256', 'key-1')
const manyKeys = Array.from({ length: 101 }, (_, index) => ({ ...good.jwk, kid: `key-${index}` }))

const lies: ReadonlyArray<readonly [string, Behaviour, string]> = [
  ['50 MB, valid as it is', 'huge', 'too_large'],
  ['a body that drips without end', 'drip', 'timeout'],
  ['nothing, ever', 'hang', 'timeout'],
  ['HTML with status 200', 'html', 'not_json'],
  ['a redirect to a good key set', 'redirect', 'redirect'],
  ['status 500 with a good key set', 'status_500', 'status'],
  ['a connection that drops', 'drop', 'network'],
  ['an empty key set', { body: { keys: [] } }, 'no_usable_key'],
  ['a key set with nothing to use', { body: { keys: [{ kty: 'oct', k: 'AA' }, 1] } }, 'no_usable_key'],
  ['a list in place of an object', { body: [good.jwk] }, 'not_json'],
  ['null', { body: null }, 'not_json'],
  ['keys that are no list', { body: { keys: { 0: good.jwk } } }, 'bad_document'],
  ['an object without keys', { body: { error: 'sorry' } }, 'bad_document'],
  ['101 keys', { body: { keys: manyKeys } }, 'too_many_keys']
]
for (const [what, behaviour, fault] of lies) {
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
    const { verifier, failed } = await startVerifier(t, [issuer.config()], { jwks: { timeoutMs: timeoutFor(fault) } })
    t.equal(describe(verifier.verifyNow(issuer.sign())), 'unavailable keys_unavailable')
    t.same(failed, [fault])
    t.match(verifier.status(), [{ tried: true, usable: false, ageS: null, fetches: { ok: 0, failed: 1 } }])
  })
}

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
