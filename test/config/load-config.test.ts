import { availableParallelism } from 'node:os'
import t from 'tap'
import { loadConfig, unknownSettings } from '../../src/config/load-config.js'
import { LEAST, NOW_MS, expectMistakes } from './expect-mistakes.js'

t.test('the least that starts gives every part its default', async (t) => {
  const config = loadConfig(LEAST, NOW_MS)
  t.match(config, {
    server: { host: '0.0.0.0', port: 9001, tls: null, workers: 1, compression: false, pingIntervalMs: 25_000, idleMs: 0, drainMs: 30_000 },
    admin: { host: '127.0.0.1', port: 9002, tokens: [], publishKeys: [] },
    upgrade: { deadlineMs: 5000, maxPending: 1000, maxFilterIds: 50, anyOrigin: false, trustedProxies: null, proxyProtocol: false },
    tokens: {
      clockToleranceMs: 5000,
      maxLifetimeMs: 86_400_000,
      cacheSize: 20_000,
      jwks: { maxAgeMs: 600_000, cooldownMs: 30_000, maxStaleMs: 3_600_000, timeoutMs: 5000 },
      introspection: { countsMs: 30_000, perS: 50 }
    },
    limits: {
      addressConnections: 10,
      addressWindowMs: 60_000,
      userConnections: 5,
      leaseMs: 30_000,
      messages: 100,
      messageWindowMs: 60_000,
      subscribesPerS: 10,
      banAfter: 0,
      banMs: 300_000,
      allowList: null,
      dryRun: false,
      onRedisDown: 'local'
    },
    redis: null,
    access: { authorizer: 'claims', issuer: null, databaseUrl: null, supabase: null, recheckMs: 60_000, inbound: { maxEntries: 100_000, maxBytes: 268_435_456, maxUserBytes: 4_194_304 } },
    history: { events: new Map([['agent', 200], ['task', 200], ['user', 200]]), keepMs: 300_000, maxBytes: 1_048_576, metaMs: 86_400_000 },
    insecureUntilMs: null,
    log: { level: 'info', file: null, fileMaxMb: 100, fileKeep: 14 }
  })
  t.same([...config.upgrade.carriers], ['query', 'header', 'protocol'])
  t.equal(config.upgrade.origins.size, 0)
})

t.test('settings reach the part that uses them, durations in ms', async (t) => {
  const config = loadConfig({
    ...LEAST,
    NODE_ID: 'eu-1',
    WORKERS: '4',
    REDIS_URL: 'rediss://:secret@redis.example:6380/1',
    REDIS_KEY_PREFIX: 'prod:',
    WS_ALLOWED_ORIGINS: 'https://app.example,http://localhost:3000',
    TRUSTED_PROXIES: '10.0.0.0/8,fd00::/8',
    WS_IP_ALLOW_LIST: '192.0.2.7',
    PROXY_PROTOCOL: 'v2',
    WS_COMPRESSION: 'shared',
    WS_LIMITS_MODE: 'dry-run',
    WS_TOKEN_CARRIERS: 'header',
    ADMIN_PORT: '0',
    WS_IDLE_S: '90'
  }, NOW_MS)
  t.match(config, {
    server: { nodeId: 'eu-1', workers: 4, compression: true, idleMs: 90_000 },
    redis: { url: 'rediss://:secret@redis.example:6380/1', clusterUrls: [], sentinel: null, prefix: 'prod:' },
    upgrade: { proxyProtocol: true, anyOrigin: false },
    limits: { dryRun: true },
    admin: { port: 0 }
  })
  t.same([...config.upgrade.origins], ['https://app.example', 'http://localhost:3000'])
  t.same([...config.upgrade.carriers], ['header'])
  t.ok(config.upgrade.trustedProxies?.check('10.1.2.3') === true && !config.upgrade.trustedProxies.check('192.0.2.7'))
  t.ok(config.limits.allowList?.check('192.0.2.7') === true && !config.limits.allowList.check('192.0.2.8'))
})

t.test('each kind of topic keeps as many events as its setting says, else as the one for all says', async (t) => {
  const { history } = loadConfig({ ...LEAST, WS_HISTORY_EVENTS: '7', WS_HISTORY_EVENTS_TASK: '0', WS_HISTORY_EVENTS_USER: '50' }, NOW_MS)
  t.same([...history.events], [['agent', 7], ['task', 0], ['user', 50]])
})

t.test('a topic\'s numbering is remembered for as long as its ids count, and longer than processes take to tell that it has listeners', async (t) => {
  const metaMs = (meta: number, history: number): number =>
    loadConfig({ ...LEAST, WS_HISTORY_META_S: String(meta), WS_HISTORY_S: String(history) }, NOW_MS).history.metaMs
  t.same([metaMs(1, 1), metaMs(1, 300), metaMs(86_400, 604_800), metaMs(900, 300)], [60_000, 300_000, 604_800_000, 900_000])
})

t.test('without a name a host gets one of its own', async (t) => {
  t.not(loadConfig(LEAST).server.nodeId, loadConfig(LEAST).server.nodeId)
})

t.test('as many workers as cores, never more than can be', async (t) => {
  const config = loadConfig({ ...LEAST, WORKERS: 'auto', REDIS_URL: 'redis://127.0.0.1' }, NOW_MS)
  t.equal(config.server.workers, Math.min(256, availableParallelism()))
})

t.test('every mistake is named at once, of types and of rules alike', async (t) => {
  const mistakes = expectMistakes(t, {
    PORT: '70000',
    WS_IP_WINDOW_S: 'soon',
    WS_AUTHORIZER: 'postgres',
    WORKERS: '8',
    TRUSTED_PROXIES: 'everyone',
    TLS_CERT_FILE: '/nowhere/cert.pem',
    WS_TOKEN_CARRIERS: 'query,cookie',
    JWT_AUDIENCE: 'gateway'
  })
  t.same([...new Set(mistakes.map(mistake => mistake.setting))].toSorted(), [
    'DATABASE_URL', 'JWT_ISSUER', 'PORT', 'TLS_CERT_FILE', 'TLS_KEY_FILE', 'TRUSTED_PROXIES', 'WORKERS', 'WS_IP_WINDOW_S', 'WS_TOKEN_CARRIERS'
  ])
  t.throws(() => loadConfig({ PORT: 'x' }, NOW_MS), { message: /^2 wrong or missing settings:\n {2}PORT: must be .*\n {2}JWT_ISSUER: no issuer is configured/ })
})

t.test('a value of the wrong type is named once, not again by a rule that reads it', async (t) => {
  const mistakes = expectMistakes(t, { ...LEAST, ALLOW_INSECURE_WS: 'yes', ALLOW_INSECURE_WS_UNTIL: '2030-01-31T13:00:00Z' })
  t.same(mistakes.map(mistake => mistake.setting), ['ALLOW_INSECURE_WS'])
})

t.test('no secret and no password is repeated by any rule', async (t) => {
  const mistakes = expectMistakes(t, {
    ...LEAST,
    REDIS_URL: 'http://user:hunter2@redis.example',
    REDIS_CLUSTER_URLS: 'redis//:hunter2@a,redis://b',
    DATABASE_URL: 'mysql://user:hunter2@db',
    ADMIN_TOKEN: 'hunter2-hunter2-hunter2-hunter2-hunter2',
    PUBLISH_KEY: 'hunter2-hunter2-hunter2-hunter2-hunter2',
    JWT_JWKS_URI: 'https://user:hunter2@id.example/keys'
  })
  t.ok(mistakes.length >= 5)
  t.notMatch(JSON.stringify(mistakes), 'hunter2')
})

t.test('misspelt settings are found, other programs\' variables are not', async (t) => {
  const env = { WS_IP_CONECTIONS: '1', JWKS_MAXAGE: '1', KEYCLOAK_SECRET: 'x', WS_IP_WINDOW_S: '1', PATH: '/bin', WSL_DISTRO: 'x', WS_: '1' }
  t.same(unknownSettings(env), ['WS_IP_CONECTIONS', 'JWKS_MAXAGE', 'KEYCLOAK_SECRET', 'WS_'])
})

t.test('with several issuers those have rights that are named, here or in ISSUERS; with one there is nothing to name', async (t) => {
  const partner = (rights: object): string => JSON.stringify([{ name: 'partner', issuer: 'https://partner.example', audience: 'gateway', ...rights }])
  const issuersOf = (env: NodeJS.ProcessEnv): unknown => loadConfig({ ...LEAST, ...env }, NOW_MS).access.issuers
  t.equal(issuersOf({}), null)
  t.equal(issuersOf({ WS_ACCESS_ISSUER: 'oidc' }), null)
  t.same(issuersOf({ ISSUERS: partner({}), WS_ACCESS_ISSUER: 'oidc' }), new Set(['oidc']))
  t.same(issuersOf({ ISSUERS: partner({ rights: false }), WS_ACCESS_ISSUER: 'oidc' }), new Set(['oidc']))
  t.same(issuersOf({ ISSUERS: partner({ rights: true }) }), new Set(['partner']))
  t.same(issuersOf({ ISSUERS: partner({ rights: true }), WS_ACCESS_ISSUER: 'oidc' }), new Set(['oidc', 'partner']))
  t.match(expectMistakes(t, { ...LEAST, ISSUERS: partner({ rights: 'yes' }) }), [{ setting: 'ISSUERS', reason: /rights/ }])
})
