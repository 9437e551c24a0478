import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { freshMetrics } from '../support/metrics.js'

type T = Test

async function openMany (t: T, gateway: TestGateway, tokens: readonly string[]): Promise<TestClient[]> {
  return await Promise.all(tokens.map(async (token) => {
    const client = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
    await client.next()
    return client
  }))
}

t.test('the end of a process', async (t) => {
  const issuer = await startIssuer(t)
  const redis = await startRedis(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_DRAIN_SECONDS: '2' })
  const clients = await openMany(t, gateway, Array.from({ length: 10 }, (_, i) => issuer.sign({ sub: `user-${i % 2}` })))
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  gateway.signal('SIGTERM')
  await gateway.waitForLog('server.draining', line => line['connections'] === 10)

  await t.test('while it drains it is alive, not ready, and takes nobody in', async (t) => {
    t.equal((await gateway.admin('/healthz')).status, 200)
    t.equal((await gateway.admin('/readyz')).status, 503)
    const refused = await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: 'late' })}`, { from: freshAddress() })
    t.equal(refused.status, 503)
    t.equal(refused.body['error'], 'restarting')
    t.match(refused.headers['retry-after'], /^[1-9]\d*$/)
  })

  await t.test('every open connection is told when to come back, and closed with 1012', async (t) => {
    const delays = new Set<unknown>()
    for (const client of clients) {
      const closing = await client.nextOf('closing')
      t.match(closing, { code: 1012, error: 'restarting', reconnect_after_ms: Number })
      delays.add(closing['reconnect_after_ms'])
      const closed = await client.closed
      t.equal(closed.code, 1012)
      t.match(JSON.parse(closed.reason), { error: 'restarting' })
    }
    t.ok(delays.size > 1, 'not all at one moment')
  })

  await t.test('it exits with 0, has written its lines and given everything back', async (t) => {
    t.equal(await gateway.exited, 0)
    t.equal(gateway.log.filter(line => line.event === 'connection.closed' && line['reason'] === 'restarting' && line['code'] === 1012).length, 10)
    t.equal(gateway.log.at(-1)?.event, 'server.stopped')
    t.same(await redis.client.keys('ws:ratelimit:user:*'), [])
    t.equal(gateway.stderr(), '')
  })
})

t.test('behind a proxy nobody listens while it drains, so that the proxy goes to another gateway', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), TRUSTED_PROXIES: '127.0.0.1/32', WS_DRAIN_SECONDS: '600' })
  const [client] = await openMany(t, gateway, [issuer.sign()])
  gateway.signal('SIGTERM')
  await gateway.waitForLog('server.draining', line => line['connections'] === 1)
  await t.rejects(connectRefused(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() }), { code: 'ECONNREFUSED' })
  client?.send({ type: 'ping' })
  t.equal((await client?.nextOf('pong'))?.type, 'pong', 'whoever is in stays until it is told')
})

t.test('a second signal ends it at once', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_DRAIN_SECONDS: '600' })
  await openMany(t, gateway, Array.from({ length: 5 }, (_, i) => issuer.sign({ sub: `user-${i}` })))
  gateway.signal('SIGINT')
  await gateway.waitForLog('server.draining')
  gateway.signal('SIGINT')
  t.not(await gateway.exited, 0)
})

t.test('under npm a signal that comes twice, from its sender and passed on by npm, is one; a third ends it at once', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_DRAIN_SECONDS: '600', npm_lifecycle_event: 'start' })
  const [client] = await openMany(t, gateway, [issuer.sign({ sub: 'user' })])
  gateway.signal('SIGINT')
  await gateway.waitForLog('server.draining')
  gateway.signal('SIGINT')
  t.equal((await gateway.admin('/readyz')).status, 503, 'it is still draining')
  t.ok(client)
  gateway.signal('SIGINT')
  t.equal(await gateway.exited, 130)
})

t.test('what operators see', async (t) => {
  const issuer = await startIssuer(t)
  issuer.behave('all', 'drop')
  const gateway = await startGateway(t, { ...trust(issuer), JWKS_COOLDOWN_S: '1' }, { ready: false })

  await t.test('without keys it is alive but not ready', async (t) => {
    await gateway.waitForLog('jwks.failed')
    t.equal((await gateway.admin('/healthz')).status, 200)
    t.equal((await gateway.admin('/readyz')).status, 503)
  })

  await t.test('it becomes ready when the keys come', async () => {
    issuer.behave('all', 'normal')
    await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  })

  await t.test('the metrics count what happened', async (t) => {
    const [client] = await openMany(t, gateway, [issuer.sign()])
    await connectRefused(t, gateway, '/ws?token=noise', { from: freshAddress() })
    t.match((await gateway.admin('/metrics')).headers.get('content-type'), /^text\/plain/)
    const text = await freshMetrics(gateway.admin)
    for (const sample of [
      'portcullis_connections 1', 'portcullis_upgrades_total{outcome="accepted"} 1', 'portcullis_upgrades_total{outcome="refused"} 1', 'portcullis_upgrade_seconds_count 2',
      'portcullis_refusals_total{reason="invalid_token"} 1', 'portcullis_limit_decisions_total{limit="ip",decision="allowed"} 2', 'portcullis_audit_dropped_total 0'
    ]) t.ok(text.includes(`\n${sample}\n`), sample)
    t.match(text, /\nportcullis_jwks_age_seconds\{issuer="oidc"\} \d/)
    t.match(text, /\nportcullis_jwks_fetches_total\{issuer="oidc",outcome="failed"\} [1-9]/)
    t.match(text, /\nprocess_resident_memory_bytes \d/)
    client?.socket.close(1000)
    await gateway.waitForLog('connection.closed')
    t.match(await freshMetrics(gateway.admin), /\nportcullis_closes_total\{code="1000"\} 1\n/)
  })

  await t.test('the admin port is not the main port', async (t) => {
    for (const path of ['/metrics', '/healthz', '/readyz', '/v1/connections']) {
      t.equal((await fetch(`http://127.0.0.1:${gateway.port}${path}`)).status, 404, path)
    }
    t.equal((await gateway.admin('/ws')).status, 404)
  })
})
