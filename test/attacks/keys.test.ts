import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { generateKey, startIssuer, type Behaviour } from '../support/issuer.js'
import { freshMetrics } from '../support/metrics.js'
import { offenders } from '../support/offenders.js'
import { until } from '../support/until.js'
import { present, presentRefused, readMetric } from './present.js'

const KID = 'the-same-kid'

t.test('two issuers that use the same kid', async (t) => {
  const [first, second, stranger] = await Promise.all([startIssuer(t), startIssuer(t), startIssuer(t)])
  for (const issuer of [first, second]) issuer.addKey({ kid: KID })
  const further = [{ name: 'second', issuer: second.issuer, audience: second.audience, jwks_uri: second.jwksUri }]
  const gateway = await startGateway(t, { ...trust(first), ISSUERS: JSON.stringify(further), WS_ACCESS_ISSUER: 'oidc' })
  await gateway.waitForLog('jwks.refreshed', line => line['issuer'] === 'second')

  await t.test('the key of each verifies only its own tokens', async (t) => {
    t.equal((await present(t, gateway, first.sign())).status, 101)
    t.equal((await present(t, gateway, second.sign())).status, 101)
    t.equal(await presentRefused(t, gateway, first.sign({ iss: second.issuer, aud: second.audience })), '401 invalid_token signature')
    t.equal(await presentRefused(t, gateway, second.sign({ iss: first.issuer, aud: first.audience })), '401 invalid_token signature')
  })

  await t.test('an unverified iss selects from the list and does nothing else', async (t) => {
    for (const iss of [stranger.issuer, [stranger.issuer], { url: stranger.issuer }, '__proto__', 'constructor', 'file:///etc/passwd']) {
      t.equal(await presentRefused(t, gateway, stranger.sign({ iss })), '401 invalid_token unknown_issuer', JSON.stringify(iss))
    }
    t.same(stranger.requests, { jwks: 0, discovery: 0, introspection: 0 }, 'nobody asked the stranger for anything')
  })
})

t.test('a thousand tokens with kids that nobody knows cost one fetch in the cooldown, whether keys are at hand or not', async (t) => {
  const issuer = await startIssuer(t, { algorithm: 'ES256' })
  const stranger = generateKey('ES256', 'strange')
  const gateway = await startGateway(t, { ...trust(issuer), JWKS_COOLDOWN_S: '3600' })
  const flood = async (expected: number): Promise<void> => {
    for (let batch = 0; batch < 10; batch++) {
      const outcomes = await Promise.all(Array.from({ length: 50 }, async (_, n) => await present(t, gateway, issuer.sign({}, { key: stranger, header: { kid: `unknown-${batch}-${n}` } }))))
      t.same([...new Set(outcomes.map(({ status }) => status))], [expected])
    }
  }
  // Each could be a key that the issuer has made since: nothing is let in, and nothing is called bad.
  await flood(503)
  t.equal(issuer.requests.jwks, 1)

  const away = await startIssuer(t, { algorithm: 'ES256' })
  away.behave('jwks', 'status_500')
  const startedMs = performance.now()
  const without = await startGateway(t, { ...trust(away), JWKS_COOLDOWN_S: '3600' }, { ready: false })
  await without.waitForLog('jwks.failed')
  for (let batch = 0; batch < 10; batch++) {
    const outcomes = await Promise.all(Array.from({ length: 50 }, async (_, n) => await present(t, without, away.sign({}, { header: { kid: `unknown-${batch}-${n}` } }))))
    t.same([...new Set(outcomes.map(({ status }) => status))], [503])
  }
  // Before the first key it is asked again after 1, 2, 4 ... seconds, whatever clients send.
  t.ok(away.requests.jwks <= 1 + Math.log2(1 + (performance.now() - startedMs) / 1000), `asked ${away.requests.jwks} times`)
})

t.test('a new key works with the next refetch, and a removed key stops with it, also for tokens already known', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), JWKS_COOLDOWN_S: '1', WS_USER_CONNECTIONS: '1000' })
  const [old] = issuer.keys
  const known = issuer.sign()
  const open = await connect(t, gateway, `/ws?token=${known}`, { from: freshAddress() })
  await open.nextOf('welcome')
  issuer.addKey({ kid: 'new' })
  await until('the new key is fetched', async () => (await present(t, gateway, issuer.sign())).status === 101)
  t.equal((await present(t, gateway, known)).status, 101, 'the old key is still published')
  issuer.keys.splice(issuer.keys.findIndex(key => key === old), 1)
  const stranger = generateKey('RS256', 'strange')
  await until('the removed key is refused', async () => {
    await present(t, gateway, issuer.sign({}, { key: stranger, header: { kid: 'strange' } }))
    return (await present(t, gateway, known)).status === 401
  })
  t.equal((await present(t, gateway, issuer.sign())).status, 101)
  open.send({ type: 'ping' })
  t.equal((await open.next()).type, 'pong', 'a socket that is open stays open')
  open.send({ type: 'refresh', token: issuer.sign() })
  t.equal((await open.next()).type, 'refreshed')
  open.send({ type: 'refresh', token: known })
  t.equal((await open.closed).code, 4401, 'and its next token is held against the new keys')
})

t.test('keys at hand go on while the issuer is away up to the stated limit, with metric and log, and then nothing is let in', async (t) => {
  const issuer = await startIssuer(t, { algorithm: 'ES256' })
  const gateway = await startGateway(t, { ...trust(issuer), JWKS_MAX_AGE_S: '1', JWKS_COOLDOWN_S: '1', JWKS_MAX_STALE_S: '2', WS_USER_CONNECTIONS: '1000' })
  const token = issuer.sign()
  issuer.behave('jwks', 'drop')
  await gateway.waitForLog('jwks.failed', line => line['reason'] === 'connection_lost')
  t.equal((await present(t, gateway, token)).status, 101, 'the keys are over their age, and still good')
  await until('the keys are too old', async () => (await present(t, gateway, token)).status === 503)
  t.ok(await readMetric(gateway, 'portcullis_jwks_age_seconds{issuer="oidc"}') >= 3)
  t.ok(await readMetric(gateway, 'portcullis_jwks_fetches_total{issuer="oidc",outcome="failed"}') >= 1)
  issuer.behave('jwks', 'normal')
  await until('the issuer is back', async () => (await present(t, gateway, token)).status === 101)
})

const lies: Readonly<Record<string, readonly [Behaviour, string]>> = {
  html: ['html', 'not_json'],
  redirect: ['redirect', 'redirect'],
  huge: ['huge', 'too_large'],
  empty: [{ body: { keys: [] } }, 'no_usable_key'],
  symmetric: [{ body: { keys: [{ kty: 'oct', kid: 'key-1', k: 'c2VjcmV0', alg: 'HS256' }] } }, 'no_usable_key']
}
t.test('an issuer that lies about its keys is believed in nothing, named in log and metrics, and harms no other', async (t) => {
  const good = await startIssuer(t)
  const stranger = await startIssuer(t)
  const discovered = await startIssuer(t, { discover: true, name: 'discovered' })
  discovered.behave('discovery', { body: { issuer: stranger.issuer, jwks_uri: stranger.jwksUri } })
  const liars = await Promise.all(Object.entries(lies).map(async ([name, [behaviour, reason]]) => {
    const issuer = await startIssuer(t, { algorithm: 'ES256' })
    issuer.behave('jwks', behaviour)
    return { name, issuer, reason }
  }))
  const further = [
    ...liars.map(({ name, issuer }) => ({ name, issuer: issuer.issuer, audience: issuer.audience, jwks_uri: issuer.jwksUri })),
    { name: 'discovered', issuer: discovered.issuer, audience: discovered.audience }
  ]
  const gateway = await startGateway(t, { ...trust(good), ISSUERS: JSON.stringify(further), WS_ACCESS_ISSUER: 'oidc' })
  for (const { name, issuer, reason } of [...liars, { name: 'discovered', issuer: discovered, reason: 'wrong_issuer' }]) {
    t.match(await gateway.waitForLog('jwks.failed', line => line['issuer'] === name), { reason }, name)
    t.same(await present(t, gateway, issuer.sign()), { status: 503, error: 'unavailable' }, name)
    t.ok(issuer.requests.jwks <= 1, name)
  }
  const page = await freshMetrics(gateway.admin)
  const counted = [...liars.map(({ name }) => name), 'discovered']
  t.same(await offenders(counted, name => new RegExp(`^portcullis_jwks_fetches_total{issuer="${name}",outcome="failed"} [1-9]`, 'm').test(page)), [])
  t.equal((await present(t, gateway, good.sign())).status, 101)
  t.equal(stranger.requests.jwks, 0, 'the keys that another issuer\'s document names are not fetched')
  t.equal((await present(t, gateway, stranger.sign({ iss: discovered.issuer }))).status, 503)
})
