import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { runGateway, startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis, waitUntil } from '../support/redis.js'

type T = typeof t

async function openMany (t: T, gateway: TestGateway, tokens: readonly string[]): Promise<TestClient[]> {
  return await Promise.all(tokens.map(async (token) => {
    const client = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
    await client.next()
    return client
  }))
}

t.test('a start that must fail', async (t) => {
  const sound = { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'portcullis', JWT_JWKS_URI: 'https://id.example/jwks' }

  await t.test('names every wrong and missing setting at once, and echoes no secret', async (t) => {
    const wrong = {
      PORT: 'seventy', JWT_ISSUER: 'http://id.example', WS_IP_CONNECTIONS: '0', WS_IP_WINDOW_S: '-1', WS_LIMITS_MODE: 'loud', WS_ALLOWED_ORIGINS: 'https://a.example/path',
      TRUSTED_PROXIES: '10.0.0.0/99', ADMIN_TOKEN: 'hush-hush', PUBLISH_KEY: 'also-secret', WS_MAX_FRAME_BYTES: '1.5', WORKERS: '4', ALLOW_INSECURE_WS: 'yes',
      SUPABASE_JWT_SECRET: 'a-supabase-secret', REDIS_URL: 'http://user:redis-password@localhost', WS_TOKEN_CARRIERS: 'cookie', JWT_ALGORITHMS: 'RS256,none', WS_UPGRADE_DEADLINE_MS: '1e3'
    }
    const { code, stderr } = await runGateway(wrong)
    t.equal(code, 1)
    for (const name of Object.keys(wrong).filter(name => name !== 'WORKERS')) t.match(stderr, new RegExp(`^  ${name}: `, 'm'), name)
    t.match(stderr, /JWT_AUDIENCE: /)
    t.match(stderr, /^portcullis: 1\d wrong or missing settings:$/m)
    t.notMatch(stderr, /hush-hush|also-secret|a-supabase-secret|redis-password/)
    t.notMatch(stderr, /^ +at /m, 'no stack')
  })

  await t.test('with nothing set says what is needed', async (t) => {
    const { code, stderr } = await runGateway({})
    t.equal(code, 1)
    t.match(stderr, /JWT_ISSUER: no issuer is configured/)
  })

  const hour = new Date(Date.now() + 3_600_000).toISOString()
  const unsafe: ReadonlyArray<readonly [string, Record<string, string>, string]> = [
    ['several processes without Redis', { WORKERS: '2' }, 'WORKERS'],
    ['break-glass without its end', { ALLOW_INSECURE_WS: 'true' }, 'ALLOW_INSECURE_WS_UNTIL'],
    ['break-glass for two days', { ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: new Date(Date.now() + 172_800_000).toISOString() }, 'ALLOW_INSECURE_WS_UNTIL'],
    ['break-glass that is over', { ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: '2020-01-01T00:00:00Z' }, 'ALLOW_INSECURE_WS_UNTIL'],
    ['break-glass for any origin', { ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: hour, WS_ALLOWED_ORIGINS: '*' }, 'WS_ALLOWED_ORIGINS'],
    ['HS256 without its opt-in', { JWT_ALGORITHMS: 'HS256' }, 'JWT_ALGORITHMS'],
    ['an issuer without an audience', { JWT_AUDIENCE: '' }, 'JWT_AUDIENCE'],
    ['keys over http from afar', { JWT_JWKS_URI: 'http://id.example/jwks' }, 'JWT_JWKS_URI'],
    ['one secret for two purposes', { ADMIN_TOKEN: 'x'.repeat(32), PUBLISH_KEY: 'x'.repeat(32) }, 'PUBLISH_KEY'],
    ['the admin port on the main port', { PORT: '9001', ADMIN_PORT: '9001' }, 'ADMIN_PORT'],
    ['the PROXY header from anyone', { PROXY_PROTOCOL: 'v2' }, 'TRUSTED_PROXIES'],
    ['a certificate without its key', { TLS_CERT_FILE: 'package.json' }, 'TLS_KEY_FILE'],
    ['the postgres authorizer without a database', { WS_AUTHORIZER: 'postgres' }, 'DATABASE_URL'],
    ['two names for Redis', { REDIS_URL: 'redis://127.0.0.1:1', REDIS_CLUSTER_URLS: 'redis://127.0.0.1:2' }, 'REDIS_CLUSTER_URLS']
  ]
  for (const [what, settings, named] of unsafe) {
    await t.test(`${what} is refused`, async (t) => {
      const { code, stderr } = await runGateway({ ...sound, ...settings })
      t.equal(code, 1)
      t.match(stderr, new RegExp(`^portcullis: 1 wrong or missing setting:\\n  ${named}: `), stderr)
    })
  }

  await t.test('a port that is taken is one clear sentence', async (t) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { port } = server.address() as AddressInfo
    for (const taken of [{ PORT: String(port), ADMIN_PORT: '0' }, { PORT: '0', ADMIN_PORT: String(port) }]) {
      const { code, stderr } = await runGateway({ ...sound, HOST: '127.0.0.1', ...taken })
      t.equal(code, 1)
      t.match(stderr, new RegExp(`^portcullis: [^\\n]*${port}[^\\n]*\\n$`))
    }
  })
})

t.test('a second gateway on the same port does not share it in silence', async (t) => {
  const issuer = await startIssuer(t)
  const first = await startGateway(t, trust(issuer))
  const { code, stderr } = await runGateway({ ...trust(issuer), HOST: '127.0.0.1', PORT: String(first.port), ADMIN_PORT: '0' })
  t.equal(code, 1)
  t.match(stderr, new RegExp(`^portcullis: [^\\n]*${first.port}[^\\n]*\\n$`))
})

t.test('the end of a process', async (t) => {
  const issuer = await startIssuer(t)
  const redis = await startRedis(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_DRAIN_SECONDS: '2' })
  const clients = await openMany(t, gateway, Array.from({ length: 10 }, (_, i) => issuer.sign({ sub: `user-${i % 2}` })))
  await waitUntil('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
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

t.test('a second signal ends it at once', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_DRAIN_SECONDS: '600' })
  await openMany(t, gateway, Array.from({ length: 5 }, (_, i) => issuer.sign({ sub: `user-${i}` })))
  gateway.signal('SIGINT')
  await gateway.waitForLog('server.draining')
  gateway.signal('SIGINT')
  t.not(await gateway.exited, 0)
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

  await t.test('it becomes ready when the keys come', async (t) => {
    issuer.behave('all', 'normal')
    await waitUntil('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  })

  await t.test('the metrics count what happened', async (t) => {
    const [client] = await openMany(t, gateway, [issuer.sign()])
    await connectRefused(t, gateway, '/ws?token=noise', { from: freshAddress() })
    const response = await gateway.admin('/metrics')
    t.match(response.headers.get('content-type'), /^text\/plain/)
    const text = await response.text()
    for (const sample of [
      'portcullis_connections 1', 'portcullis_upgrades_total{outcome="accepted"} 1', 'portcullis_upgrades_total{outcome="refused"} 1', 'portcullis_upgrade_seconds_count 2',
      'portcullis_refusals_total{reason="invalid_token"} 1', 'portcullis_limit_decisions_total{limit="ip",decision="allowed"} 2', 'portcullis_audit_dropped_total 0'
    ]) t.ok(text.includes(`\n${sample}\n`), sample)
    t.match(text, /\nportcullis_jwks_age_seconds\{issuer="oidc"\} \d/)
    t.match(text, /\nportcullis_jwks_fetches_total\{issuer="oidc",outcome="failed"\} [1-9]/)
    t.match(text, /\nprocess_resident_memory_bytes \d/)
    client?.socket.close(1000)
    await gateway.waitForLog('connection.closed')
    t.match(await (await gateway.admin('/metrics')).text(), /\nportcullis_closes_total\{code="1000"\} 1\n/)
  })

  await t.test('the admin port is not the main port', async (t) => {
    for (const path of ['/metrics', '/healthz', '/readyz', '/v1/connections']) {
      t.equal((await fetch(`http://127.0.0.1:${gateway.port}${path}`)).status, 404, path)
    }
    t.equal((await gateway.admin('/ws')).status, 404)
  })
})
