import t from 'tap'
import { startIssuer, type Behaviour, type TestIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { describe, startVerifier, type StartedVerifier } from './fixture.js'

async function start (
  lifetime: { teardown (fn: () => unknown): unknown }, timeoutMs = 60_000
): Promise<StartedVerifier & { keycloak: TestIssuer }> {
  const keycloak = await startIssuer(lifetime, { preset: 'keycloak', audience: 'gateway', algorithm: 'ES256' })
  const introspection = { endpoint: keycloak.introspectionUri, clientId: 'gate way', clientSecret: 'p:ä+%' }
  return { keycloak, ...await startVerifier(lifetime, [keycloak.config({ introspection })], { jwks: { timeoutMs } }) }
}

t.test('an accepted token is introspected once, and known afterwards', async t => {
  const { verifier, keycloak } = await start(t)
  const token = keycloak.sign()
  t.equal(verifier.verifyNow(token), null)
  const verdicts = await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)))
  t.same([...new Set(verdicts.map(describe))], ['accepted alice'])
  t.equal(describe(verifier.verifyNow(token)), 'accepted alice')
  t.equal(describe(await verifier.verify(token)), 'accepted alice')
  t.equal(keycloak.requests.introspection, 1)
})

t.test('the question is asked as RFC 7662 says, with encoded credentials', async t => {
  const { verifier, keycloak } = await start(t)
  const token = keycloak.sign()
  await verifier.verify(token)
  const [asked] = keycloak.introspected
  t.equal(asked?.body, `token=${token}&token_type_hint=access_token`)
  t.equal(Buffer.from(asked?.authorization.slice('Basic '.length) ?? '', 'base64').toString(), 'gate+way:p%3A%C3%A4%2B%25')
})

t.test('an inactive token is invalid, and asked about again the next time', async t => {
  const { verifier, keycloak } = await start(t)
  const token = keycloak.sign()
  keycloak.inactive.add(token)
  t.equal(describe(await verifier.verify(token)), 'invalid_token inactive')
  keycloak.inactive.delete(token)
  t.equal(describe(await verifier.verify(token)), 'accepted alice')
  t.equal(keycloak.requests.introspection, 2)
})

t.test('a token that is bad in any way is not introspected', async t => {
  const { verifier, keycloak } = await start(t)
  const token = keycloak.sign()
  const nowS = Math.floor(Date.now() / 1000)
  t.equal(describe(verifier.verifyNow(`${token.slice(0, -8)}AAAAAAAA`)), 'invalid_token signature')
  t.equal(describe(verifier.verifyNow(keycloak.sign({ iat: nowS - 99, exp: nowS - 60 }))), 'expired_token expired')
  t.equal(describe(verifier.verifyNow(keycloak.sign({ typ: 'ID' }))), 'invalid_token token_type')
  t.equal(keycloak.requests.introspection, 0)
})

const failures: ReadonlyArray<readonly [string, Behaviour, string]> = [
  ['never answers', 'hang', 'unavailable introspection_unavailable'],
  ['drips', 'drip', 'unavailable introspection_unavailable'],
  ['drops the connection', 'drop', 'unavailable introspection_unavailable'],
  ['answers 50 MB', 'huge', 'unavailable introspection_unavailable'],
  ['answers HTML', 'html', 'unavailable introspection_unavailable'],
  ['redirects', 'redirect', 'unavailable introspection_unavailable'],
  ['answers status 500', 'status_500', 'unavailable introspection_unavailable'],
  ['says "true" in place of true', { body: { active: 'true' } }, 'invalid_token inactive'],
  ['says 1', { body: { active: 1 } }, 'invalid_token inactive'],
  ['leaves the answer out', { body: { sub: 'alice' } }, 'invalid_token inactive']
]
for (const [what, behaviour, refusal] of failures) {
  t.test(`a token is not accepted when the introspection endpoint ${what}`, async t => {
    // Short only where nothing but the time-out ends the exchange.
    const { verifier, keycloak } = await start(t, behaviour === 'hang' || behaviour === 'drip' ? 1500 : 60_000)
    keycloak.behave('introspection', behaviour)
    const token = keycloak.sign()
    t.equal(describe(await verifier.verify(token)), refusal)
    keycloak.behave('introspection', 'normal')
    t.equal(describe(await verifier.verify(token)), 'accepted alice', 'and the failure is not remembered')
  })
}

t.test('a token that ends while it is introspected is expired', async t => {
  const { verifier, keycloak, clock } = await start(t)
  let release = (): void => {}
  keycloak.behave('introspection', { after: new Promise(resolve => { release = resolve }) })
  const waiting = verifier.verify(keycloak.sign())
  await until('the question', () => keycloak.requests.introspection === 1)
  clock.advance(600_000)
  release()
  t.equal(describe(await waiting), 'expired_token expired')
})

t.test('close ends a question that hangs', async t => {
  const { verifier, keycloak } = await start(t, 60_000)
  keycloak.behave('introspection', 'hang')
  const waiting = verifier.verify(keycloak.sign())
  await until('the question', () => keycloak.requests.introspection === 1)
  verifier.close()
  t.equal(describe(await waiting), 'unavailable introspection_unavailable')
})
