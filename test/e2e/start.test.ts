import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { BINDING } from '../support/binding.js'
import { findFreePort } from '../support/free-port.js'
import { runGateway, startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'

t.test('a start that must fail', async (t) => {
  const sound = { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'portcullis', JWT_JWKS_URI: 'https://id.example/jwks' }

  await t.test('names every wrong and missing setting at once, and echoes no secret', async (t) => {
    const wrong = {
      PORT: 'seventy',
      JWT_ISSUER: 'http://id.example',
      WS_IP_CONNECTIONS: '0',
      WS_IP_WINDOW_S: '-1',
      WS_LIMITS_MODE: 'loud',
      WS_ALLOWED_ORIGINS: 'https://a.example/path',
      TRUSTED_PROXIES: '10.0.0.0/99',
      ADMIN_TOKEN: 'hush-hush',
      PUBLISH_KEY: 'also-secret',
      WS_MAX_FRAME_BYTES: '1.5',
      WORKERS: '4',
      ALLOW_INSECURE_WS: 'yes',
      SUPABASE_JWT_SECRET: 'a-supabase-secret',
      REDIS_URL: 'http://user:redis-password@localhost',
      WS_TOKEN_CARRIERS: 'cookie',
      JWT_ALGORITHMS: 'RS256,none',
      WS_UPGRADE_DEADLINE_MS: '1e3'
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

  /** Settings that are sound one by one but not together, and the name under which each is refused. */
  const unsafe: ReadonlyArray<readonly [string, Record<string, string>, readonly string[]]> = [
    ['processes without Redis, break-glass without its end, HS256, a shared secret, halves of pairs', {
      WORKERS: '2',
      ALLOW_INSECURE_WS: 'true',
      JWT_ALGORITHMS: 'HS256',
      ADMIN_TOKEN: 'x'.repeat(32),
      PUBLISH_KEY: 'x'.repeat(32),
      PROXY_PROTOCOL: 'v2',
      TLS_CERT_FILE: 'package.json',
      WS_AUTHORIZER: 'postgres'
    }, ['ALLOW_INSECURE_WS_UNTIL', 'DATABASE_URL', 'JWT_ALGORITHMS', 'PUBLISH_KEY', 'TLS_CERT_FILE', 'TLS_KEY_FILE', 'TRUSTED_PROXIES', 'WORKERS']],
    ['break-glass for two days and any origin, an issuer without audience, keys over http from afar, two names for Redis, one port for two', {
      ALLOW_INSECURE_WS: 'true',
      ALLOW_INSECURE_WS_UNTIL: new Date(Date.now() + 172_800_000).toISOString(),
      WS_ALLOWED_ORIGINS: '*',
      JWT_AUDIENCE: '',
      JWT_JWKS_URI: 'http://id.example/jwks',
      REDIS_URL: 'redis://127.0.0.1:1',
      REDIS_CLUSTER_URLS: 'redis://127.0.0.1:2',
      PORT: '9001',
      ADMIN_PORT: '9001'
    }, ['ADMIN_PORT', 'ALLOW_INSECURE_WS_UNTIL', 'JWT_AUDIENCE', 'JWT_JWKS_URI', 'REDIS_CLUSTER_URLS', 'WS_ALLOWED_ORIGINS']]
  ]
  for (const [what, settings, names] of unsafe) {
    await t.test(`refuses ${what}`, async (t) => {
      const { code, stderr } = await runGateway({ ...sound, ...settings })
      t.equal(code, 1)
      t.same([...new Set(Array.from(stderr.matchAll(/^ {2}(\w+): /gm), ([, name]) => name))].sort(), names, stderr)
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

t.test('a start on the older binding is a warning that says what it lacks; not in development mode, nor on the current one', async (t) => {
  const issuer = await startIssuer(t)
  const [production, development] = await Promise.all([
    startGateway(t, trust(issuer)),
    findFreePort().then(async port => await startGateway(t, { PORT: String(port) }, { program: 'dist/dev/main.js' }))
  ])
  // Both have written `server.started`, which comes after the warning.
  const [warnings, none] = [production, development].map(({ log }) => log.filter(({ event }) => event === 'binding.older'))
  t.same(none, [])
  t.match(warnings, BINDING.name === 'older'
    ? [{ level: 'warn', binding: /^@trufflesuite\/uws-js-unofficial 20\.30\./, reason: /for development: it does not answer requests with a head over 4 KB/ }]
    : [])
  t.equal(warnings?.length, BINDING.name === 'older' ? 1 : 0)
})
