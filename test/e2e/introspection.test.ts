import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const COUNTS_MS = 2000
const SETTINGS = { JWT_INTROSPECTION_CLIENT_ID: 'gateway', JWT_INTROSPECTION_CLIENT_SECRET: 'secret', JWT_INTROSPECT_S: String(COUNTS_MS / 1000) }

async function startBehind (t: Test, issuer: TestIssuer, env: Record<string, string> = {}): Promise<TestGateway> {
  return await startGateway(t, {
    JWT_ISSUER: issuer.issuer,
    JWT_AUDIENCE: issuer.audience,
    JWT_JWKS_URI: issuer.jwksUri,
    JWT_INTROSPECTION_URI: issuer.introspectionUri,
    ...SETTINGS,
    ...env
  })
}

const questions = (issuer: TestIssuer, token: string): number => issuer.introspected.filter(({ body }) => body.includes(token)).length

t.test('two processes on one Redis', async (t) => {
  const redis = await startRedis(t)
  const issuer = await startIssuer(t)
  const onRedis = { REDIS_URL: redis.url }
  const [one, other] = await Promise.all([startBehind(t, issuer, onRedis), startBehind(t, issuer, onRedis)])

  await t.test('what one was told the other knows: neither its upgrade nor its open connection is a question more', async (t) => {
    const token = issuer.sign({ sub: 'shared' })
    const startedMs = performance.now()
    for (const gateway of [one, other]) await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
    t.equal(questions(issuer, token), 1)
    await until('it is asked about again, three times', () => questions(issuer, token) >= 4)
    const periods = (performance.now() - startedMs) / COUNTS_MS
    t.ok(questions(issuer, token) <= 2 + periods / 0.5, `${questions(issuer, token)} in ${periods} periods`)
    t.ok((await readMetric(other, 'portcullis_introspections_total{outcome="shared"}') ?? 0) > 0)
  })

  await t.test('a logout at the issuer ends the open sockets of both within the period, and opens nothing any more', async (t) => {
    const [gone, stays] = [issuer.sign({ sub: 'gone' }), issuer.sign({ sub: 'stays' })]
    const clients = await Promise.all([one, other].map(async gateway => await connect(t, gateway, `/ws?token=${gone}`, { from: freshAddress() })))
    const staying = await connect(t, one, `/ws?token=${stays}`, { from: freshAddress() })
    issuer.inactive.add(gone)
    const outMs = performance.now()
    const closes = await Promise.all(clients.map(async client => await client.closed))
    t.same(closes.map(({ code, reason }) => [code, JSON.parse(reason).error]), [[4401, 'revoked'], [4401, 'revoked']])
    // The rest is what a busy machine takes.
    t.ok(performance.now() - outMs < COUNTS_MS * 2)
    for (const gateway of [one, other]) {
      const refused = await connectRefused(t, gateway, `/ws?token=${gone}`, { from: freshAddress() })
      t.same([refused.status, refused.body['error']], [401, 'revoked'])
    }
    t.match(await one.waitForLog('connection.closed', line => line['user_id'] === 'gone'), { reason: 'revoked', code: 4401 })
    staying.send({ type: 'ping' })
    await staying.nextOf('pong')
  })

  await t.test('no log of either names a token', async (t) => {
    t.same([one, other].filter(({ stdout }) => stdout().includes('eyJ')), [])
  })
})

t.test('the issuer is away for longer than is allowed', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startBehind(t, issuer, { JWKS_MAX_STALE_S: '3' })
  const client = await connect(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
  const refreshed = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'bob' })}`, { from: freshAddress() })
  issuer.behave('introspection', 'status_500')
  const awayMs = performance.now()

  await t.test('new upgrades are 503, a refresh leaves the old token in force, and the log tells why', async (t) => {
    const refused = await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: 'carol' })}`, { from: freshAddress() })
    t.same([refused.status, refused.body['error']], [503, 'unavailable'])
    refreshed.send({ type: 'refresh', token: issuer.sign({ sub: 'bob', jti: 'next' }) })
    t.match(await refreshed.nextOf('error'), { error: 'unavailable' })
    t.match(await gateway.waitForLog('introspection.failed'), { level: 'error', issuer: 'oidc', reason: 'status', detail: '500' })
  })

  await t.test('open connections stay for JWKS_MAX_STALE_S, and are ended then', async (t) => {
    const { code, reason } = await client.closed
    t.same([code, JSON.parse(reason).error], [4503, 'unavailable'])
    t.ok(performance.now() - awayMs >= 3000)
  })

  await t.test('a client of ours that the issuer does not take has a cause of its own', async (t) => {
    issuer.behave('introspection', 'status_401')
    await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: 'dave' })}`, { from: freshAddress() })
    t.match(await gateway.waitForLog('connection.refused', line => line['detail'] === 'introspection_client'), { reason: 'unavailable' })
    t.match(await gateway.waitForLog('introspection.failed', line => line['reason'] === 'client_refused'), { detail: '401' })
  })
})

t.test('with more tokens than questions the period stretches, and it is told by how much', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startBehind(t, issuer, { JWT_INTROSPECT_S: '1', JWT_INTROSPECT_PER_S: '2' })
  const clients = []
  for (let i = 0; i < 8; i++) clients.push(await connect(t, gateway, `/ws?token=${issuer.sign({ sub: `user ${i}` })}`, { from: freshAddress() }))
  t.ok(Number((await gateway.waitForLog('introspection.late'))['duration_ms']) > 0)
  t.ok((await readMetric(gateway, 'portcullis_introspection_late_seconds') ?? 0) > 0)
  for (const client of clients) {
    client.send({ type: 'ping' })
    await client.nextOf('pong')
  }
})
