import t from 'tap'
import { startIssuer, type Behaviour, type TestIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { describe, startVerifier, type StartedVerifier } from './fixture.js'

const COUNTS_MS = 30_000

interface Started extends StartedVerifier {
  readonly keycloak: TestIssuer
  /** Moves the steady clock, by which answers grow old. */
  age (ms: number): void
  readonly outcomes: string[]
}

async function start (lifetime: { teardown (fn: () => unknown): unknown }, timeoutMs = 60_000, perS = 50): Promise<Started> {
  const keycloak = await startIssuer(lifetime, { preset: 'keycloak', audience: 'gateway', algorithm: 'ES256' })
  const introspection = { endpoint: keycloak.introspectionUri, clientId: 'gate way', clientSecret: 'p:ä+%' }
  const outcomes: string[] = []
  let aheadMs = 0
  const started = await startVerifier(lifetime, [keycloak.config({ introspection })], {
    jwks: { timeoutMs },
    settings: { introspection: { countsMs: COUNTS_MS, perS } },
    introspection: {
      now: () => performance.now() + aheadMs,
      onOutcome: (issuer, outcome, failure) => { outcomes.push([issuer, outcome, failure?.fault, failure?.detail].filter(each => each != null).join(' ')) }
    }
  })
  return { keycloak, outcomes, age: (ms) => { aheadMs += ms }, ...started }
}

t.test('an accepted token is introspected once, and known for as long as the answer counts', async t => {
  const { verifier, keycloak, age } = await start(t)
  const token = keycloak.sign()
  t.equal(verifier.verifyNow(token), null)
  const verdicts = await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)))
  t.same([...new Set(verdicts.map(describe))], ['accepted alice'])
  age(COUNTS_MS - 5000)
  t.equal(describe(verifier.verifyNow(token)), 'accepted alice')
  t.equal(keycloak.requests.introspection, 1)
  age(5000)
  t.equal(verifier.verifyNow(token), null, 'the answer has outlived its time')
  t.equal(describe(await verifier.verify(token)), 'accepted alice')
  t.equal(keycloak.requests.introspection, 2)
})

t.test('who logged out opens nothing once the answer has outlived its time, whatever was known of the token', async t => {
  const { verifier, keycloak, age } = await start(t)
  const token = keycloak.sign()
  t.equal(describe(await verifier.verify(token)), 'accepted alice')
  keycloak.inactive.add(token)
  age(COUNTS_MS)
  t.equal(describe(await verifier.verify(token)), 'revoked inactive')
  t.equal(verifier.verifyNow(token), null, 'and nothing good is remembered of it')
})

t.test('a newer answer about an open connection\'s token decides upgrades as well', async t => {
  const { verifier, keycloak, age } = await start(t)
  const token = keycloak.sign()
  await verifier.verify(token)
  const { standing } = verifier
  t.same([standing?.countsMs, standing?.covers(keycloak.name), standing?.covers('another')], [COUNTS_MS, true, false])
  age(COUNTS_MS - 5000)
  const firstMs = standing?.askedAtMs(token) ?? NaN
  t.equal((await standing?.ask(token, keycloak.name, firstMs))?.kind, 'active')
  t.ok((standing?.askedAtMs(token) ?? 0) - firstMs >= COUNTS_MS - 5000)
  age(5000)
  t.equal(describe(verifier.verifyNow(token)), 'accepted alice')
  keycloak.inactive.add(token)
  t.equal((await standing?.ask(token, keycloak.name, firstMs))?.kind, 'inactive')
  t.equal(verifier.verifyNow(token), null)
  t.equal(standing?.askedAtMs(token), null)
})

t.test('without an issuer that is asked there is no standing to ask for', async t => {
  const issuer = await startIssuer(t, { algorithm: 'ES256' })
  const { verifier } = await startVerifier(t, [issuer.config()])
  t.equal(verifier.standing, undefined)
})

t.test('a client that the issuer does not take is told apart, and no client of ours is refused for good', async t => {
  const { verifier, keycloak, outcomes } = await start(t)
  keycloak.behave('introspection', 'status_401')
  t.equal(describe(await verifier.verify(keycloak.sign())), 'unavailable introspection_client')
  t.same(outcomes, ['main failed client_refused 401'])
})

t.test('more that arrive than questions may be asked within the time-out are told so at once', async t => {
  const { verifier, keycloak } = await start(t, 1000, 1)
  keycloak.behave('introspection', { after: new Promise(() => {}) })
  const waiting = Array.from({ length: 2 }, (_, i) => verifier.verify(keycloak.sign({ jti: String(i) })))
  t.equal(describe(await verifier.verify(keycloak.sign())), 'unavailable introspection_busy')
  verifier.close()
  await Promise.all(waiting)
})

t.test('the question is asked as RFC 7662 says, with encoded credentials', async t => {
  const { verifier, keycloak } = await start(t)
  const token = keycloak.sign()
  await verifier.verify(token)
  const [asked] = keycloak.introspected
  t.equal(asked?.body, `token=${token}&token_type_hint=access_token`)
  t.equal(Buffer.from(asked?.authorization.slice('Basic '.length) ?? '', 'base64').toString(), 'gate+way:p%3A%C3%A4%2B%25')
})

t.test('an inactive token is revoked, and asked about again the next time', async t => {
  const { verifier, keycloak } = await start(t)
  const token = keycloak.sign()
  keycloak.inactive.add(token)
  t.equal(describe(await verifier.verify(token)), 'revoked inactive')
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
  ['says "true" in place of true', { body: { active: 'true' } }, 'unavailable introspection_unavailable'],
  ['says 1', { body: { active: 1 } }, 'unavailable introspection_unavailable'],
  ['leaves the answer out', { body: { sub: 'alice' } }, 'unavailable introspection_unavailable']
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

t.test('of several issuers each is asked about its own tokens alone, or not at all', async (t) => {
  const [asked, other] = [await startIssuer(t, { preset: 'keycloak', audience: 'gateway' }), await startIssuer(t, { name: 'other' })]
  const introspection = { endpoint: asked.introspectionUri, clientId: 'a', clientSecret: 'b' }
  const { verifier } = await startVerifier(t, [asked.config({ name: 'asked', introspection }), other.config({ name: 'other' })])
  t.equal(describe(await verifier.verify(other.sign())), 'accepted other:alice')
  t.equal(describe(await verifier.verify(asked.sign())), 'accepted asked:alice')
  t.same([asked.requests.introspection, other.requests.introspection], [1, 0])
})
