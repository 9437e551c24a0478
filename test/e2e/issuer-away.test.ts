import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { countLines, openOne, readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'

t.test('of two issuers one is away at the start', async (t) => {
  const [here, away] = await Promise.all([startIssuer(t), startIssuer(t)])
  away.behave('all', 'drop')
  const issuers = [here, away].map(({ issuer, audience, jwksUri }, index) => ({ name: ['here', 'away'][index], issuer, audience, jwks_uri: jwksUri }))
  const gateway = await startGateway(t, { ISSUERS: JSON.stringify(issuers.map(one => ({ ...one, rights: true }))), JWKS_COOLDOWN_S: '1' })

  await t.test('it is ready with the one that answered, and names the other', async (t) => {
    t.match(await gateway.waitForLog('jwks.failed'), { level: 'error', issuer: 'away', reason: 'connection_lost' })
    await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
    await openOne(t, gateway, here.sign())
    t.ok(Number(await readMetric(gateway, 'portcullis_jwks_fetches_total{issuer="away",outcome="failed"}')) > 0)
    t.equal(await readMetric(gateway, 'portcullis_jwks_age_seconds{issuer="away"}'), null)
  })

  await t.test('its users are told to come back, and not that their tokens are bad', async (t) => {
    const refused = await connectRefused(t, gateway, `/ws?token=${away.sign()}`, { from: freshAddress() })
    t.same([refused.status, refused.body['error']], [503, 'unavailable'])
    t.match(refused.headers['retry-after'], /^[1-9]\d*$/)
  })

  await t.test('it is tried again, once per cooldown, and taken in when it answers', async (t) => {
    const asked = away.requests.jwks
    const startedMs = performance.now()
    await until('it was tried three times more', () => away.requests.jwks >= asked + 3)
    t.ok(performance.now() - startedMs > 1900)
    away.behave('all', 'normal')
    await gateway.waitForLog('jwks.refreshed', line => line['issuer'] === 'away')
    await openOne(t, gateway, away.sign())
  })
})

t.test('an issuer that is not there at the start is asked again soon, and its users are told when', async (t) => {
  const issuer = await startIssuer(t)
  issuer.behave('all', 'drop')
  const gateway = await startGateway(t, trust(issuer), { ready: false })
  const refusal = async () => {
    const { headers, body } = await connectRefused(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
    t.equal(Number(headers['retry-after']), body['retry_after_s'])
    return body
  }
  await until('it failed three times', () => countLines(gateway, 'jwks.failed') >= 3)
  t.match(await refusal(), { error: 'unavailable', retry_after_s: 4 }, 'after pauses of one and two seconds')
  issuer.behave('all', 'normal')
  await gateway.waitForLog('jwks.refreshed')
  await openOne(t, gateway, issuer.sign())
})

t.test('an issuer goes away for longer than its keys may be old', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), JWKS_MAX_AGE_S: '1', JWKS_MAX_STALE_S: '4', JWKS_COOLDOWN_S: '1' })
  const token = issuer.sign({ sub: 'alice' })
  const client = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
  issuer.behave('all', 'drop')

  await t.test('known keys go on meanwhile, new tokens included', async (t) => {
    await gateway.waitForLog('jwks.failed')
    await openOne(t, gateway, issuer.sign({ sub: 'bob' }))
    t.ok((await readMetric(gateway, 'portcullis_jwks_age_seconds{issuer="oidc"}') ?? 0) < 5)
    t.equal((await gateway.admin('/readyz')).status, 200)
  })

  await t.test('past the limit new upgrades are 503 and it is not ready, but open sockets live on', async (t) => {
    await until('its keys are too old', async () => (await gateway.admin('/readyz')).status === 503)
    t.ok((await readMetric(gateway, 'portcullis_jwks_age_seconds{issuer="oidc"}') ?? 0) >= 5)
    for (const each of [token, issuer.sign({ sub: 'carol' })]) {
      const refused = await connectRefused(t, gateway, `/ws?token=${each}`, { from: freshAddress() })
      t.same([refused.status, refused.body['error']], [503, 'unavailable'])
    }
    client.send({ type: 'ping' })
    await client.nextOf('pong')
  })

  await t.test('it comes back by itself', async (t) => {
    issuer.behave('all', 'normal')
    await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
    await openOne(t, gateway, token)
    t.equal(countLines(gateway, 'fault'), 0)
  })
})
