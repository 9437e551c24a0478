import t from 'tap'
import { readSettings } from '../../src/config/read-settings.js'
import { SETTINGS, type SettingName } from '../../src/config/settings.js'
import { offenders } from '../support/offenders.js'

/** What the product's documents promise; `undefined`: off, derived, or nothing by default. */
const DEFAULTS: Record<SettingName, unknown> = {
  HOST: '0.0.0.0',
  PORT: 9001,
  LISTEN_BACKLOG: 512,
  TLS_CERT_FILE: undefined,
  TLS_KEY_FILE: undefined,
  WORKERS: '1',
  ADMIN_HOST: '127.0.0.1',
  ADMIN_PORT: 9002,
  ADMIN_TOKEN: [],
  PUBLISH_KEY: [],
  WS_ALLOWED_ORIGINS: [],
  WS_TOKEN_CARRIERS: ['query', 'header', 'protocol'],
  TRUSTED_PROXIES: [],
  PROXY_PROTOCOL: 'off',
  WS_UPGRADE_DEADLINE_MS: 5000,
  WS_MAX_PENDING_UPGRADES: 1000,
  WS_MAX_CONNECTIONS: 50_000,
  WS_MAX_BUFFERED_BYTES: 1_048_576,
  WS_COMPRESSION: 'off',
  WS_PING_INTERVAL_S: 25,
  WS_IDLE_S: 0,
  WS_DRAIN_SECONDS: 30,
  WS_RESUME_KEY: [],
  PUBLIC_URL: undefined,
  WS_TICKET_ADDRESS: 'same',
  NODE_ID: undefined,
  JWT_ISSUER: undefined,
  JWT_AUDIENCE: undefined,
  JWT_JWKS_URI: undefined,
  JWT_ALGORITHMS: ['RS256', 'ES256', 'EdDSA'],
  JWT_CLOCK_TOLERANCE_S: 5,
  JWT_AUDIENCE_CLAIM: 'aud',
  JWT_SCOPE_CLAIM: ['scope', 'scp'],
  JWT_USER_CLAIM: 'sub',
  JWT_SESSION_CLAIM: ['sid', 'session_id'],
  JWT_TYP: 'any',
  JWT_ACR: [],
  JWT_MAX_AUTH_AGE_S: undefined,
  JWT_MAX_LIFETIME_S: undefined,
  JWT_CACHE_SIZE: 20_000,
  JWT_INTROSPECTION_URI: undefined,
  JWT_INTROSPECTION_CLIENT_ID: undefined,
  JWT_INTROSPECTION_CLIENT_SECRET: undefined,
  JWT_INTROSPECT_S: 30,
  JWT_INTROSPECT_PER_S: 50,
  KEYCLOAK_URL: undefined,
  KEYCLOAK_ISSUER_URL: undefined,
  KEYCLOAK_REALM: undefined,
  KEYCLOAK_CLIENT_ID: undefined,
  KEYCLOAK_CLIENT_SECRET: undefined,
  KEYCLOAK_INTROSPECT: false,
  SUPABASE_URL: undefined,
  SUPABASE_ISSUER: undefined,
  SUPABASE_JWT_SECRET: undefined,
  SUPABASE_ANON_KEY: undefined,
  SUPABASE_PUBLIC_TABLES: [],
  ISSUERS: undefined,
  OIDC_BACKCHANNEL_LOGOUT: true,
  OIDC_LOGOUT_AUDIENCES: [],
  SSF_AUDIENCE: undefined,
  SSF_AUTHORIZATION: undefined,
  JWKS_ALLOW_HTTP: false,
  JWKS_MAX_AGE_S: 600,
  JWKS_COOLDOWN_S: 30,
  JWKS_MAX_STALE_S: 3600,
  JWKS_TIMEOUT_MS: 5000,
  ISSUER_CA_FILE: undefined,
  HTTPS_PROXY: undefined,
  HTTP_PROXY: undefined,
  NO_PROXY: undefined,
  WS_IP_CONNECTIONS: 10,
  WS_IP_WINDOW_S: 60,
  WS_USER_CONNECTIONS: 5,
  WS_USER_LEASE_S: 30,
  WS_IP_MESSAGES: 100,
  WS_MESSAGE_WINDOW_S: 60,
  WS_SUBSCRIBES_PER_S: 10,
  WS_MAX_FRAME_BYTES: 1_048_576,
  WS_MAX_FILTER_IDS: 50,
  WS_BAN_AFTER: 0,
  WS_BAN_S: 300,
  WS_IP_ALLOW_LIST: [],
  WS_LIMITS_MODE: 'enforce',
  WS_LIMITS_ON_REDIS_DOWN: 'local',
  REDIS_URL: undefined,
  REDIS_CLUSTER_URLS: [],
  REDIS_SENTINELS: [],
  REDIS_SENTINEL_MASTER: undefined,
  REDIS_SENTINEL_PASSWORD: undefined,
  REDIS_KEY_PREFIX: '',
  WS_AUTHORIZER: 'claims',
  WS_ACCESS_ISSUER: [],
  DATABASE_URL: undefined,
  DATABASE_CA_FILE: undefined,
  WS_PG_ROLE: 'authenticated',
  WS_PG_AGENTS: 'public.agents',
  WS_PG_TASKS: 'public.tasks',
  WS_ACCESS_RECHECK_S: 60,
  WS_INBOUND_MAX: 100_000,
  WS_INBOUND_MAX_BYTES: 268_435_456,
  WS_INBOUND_USER_BYTES: 4_194_304,
  WS_HISTORY_EVENTS: 200,
  WS_HISTORY_EVENTS_AGENT: undefined,
  WS_HISTORY_EVENTS_TASK: undefined,
  WS_HISTORY_EVENTS_USER: undefined,
  WS_HISTORY_S: 300,
  WS_HISTORY_BYTES: 1_048_576,
  WS_WARM_UP: true,
  WS_PLAIN_USER_PUBLISH: false,
  WS_HISTORY_META_S: 86_400,
  ALLOW_INSECURE_WS: false,
  ALLOW_INSECURE_WS_UNTIL: undefined,
  OTEL_EXPORTER_OTLP_ENDPOINT: undefined,
  WS_TRACE_EVENTS: false,
  LOG_LEVEL: 'info',
  LOG_FILE: undefined,
  LOG_FILE_MAX_MB: 100,
  LOG_FILE_KEEP: 14
}

interface Bounds { readonly type?: string, readonly minimum: number, readonly maximum: number, readonly description?: string }
const NAMES = Object.keys(SETTINGS) as SettingName[]
const bounds = (name: SettingName): Bounds => SETTINGS[name] as unknown as Bounds
const numbers = NAMES.filter(name => bounds(name).type === 'integer')
const reasonsOf = (env: NodeJS.ProcessEnv): string[] => readSettings(env).errors.map(({ setting, reason }) => `${setting}: ${reason}`)

t.test('every setting has the documented default, and none is undocumented', async (t) => {
  t.same(NAMES.toSorted(), Object.keys(DEFAULTS).toSorted())
  const { values, errors } = readSettings({})
  t.same(errors, [])
  for (const name of NAMES) t.same(values[name], DEFAULTS[name], name)
})

t.test('an empty value and white space count as unset', async (t) => {
  const env = Object.fromEntries(NAMES.map((name, index) => [name, index % 2 === 0 ? '' : ' \t']))
  t.same(readSettings(env), readSettings({}))
})

t.test('every number is accepted at its bounds and refused beyond them', async (t) => {
  for (const name of numbers) {
    const { minimum, maximum } = bounds(name)
    for (const good of [minimum, maximum]) {
      const { values, errors } = readSettings({ [name]: String(good) })
      t.same(errors, [], `${name}=${good}`)
      t.equal(values[name], good)
    }
    for (const bad of [minimum - 1, maximum + 1]) {
      t.match(reasonsOf({ [name]: String(bad) }), [new RegExp(`^${name}: must be a whole number from ${minimum} to ${maximum}, not `)], `${name}=${bad}`)
    }
  }
})

t.test('what is no whole number is refused, never guessed at', async (t) => {
  for (const text of ['1.5', '1e3', '0x10', '+1', 'ten', '60s', '1_000', '1,000', 'NaN', 'Infinity', '9'.repeat(400), '１']) {
    t.equal(reasonsOf({ WS_IP_WINDOW_S: text }).length, 1, text.slice(0, 20))
  }
})

t.test('every duration may be as short as a second, the clock tolerance may be none', async (t) => {
  t.same(await offenders(numbers.filter(name => /_(S|SECONDS)$/.test(name)), name => bounds(name).minimum <= 1), [])
  t.same(await offenders(numbers.filter(name => name.endsWith('_MS')), name => bounds(name).minimum <= 1000), [])
  t.equal(bounds('JWT_CLOCK_TOLERANCE_S').minimum, 0)
})

t.test('every rate limit may be as high as a thousand million', async (t) => {
  for (const name of ['WS_IP_CONNECTIONS', 'WS_USER_CONNECTIONS', 'WS_IP_MESSAGES', 'WS_SUBSCRIBES_PER_S', 'WS_BAN_AFTER'] as const) {
    t.equal(readSettings({ [name]: '1000000000' }).values[name], 1_000_000_000, name)
  }
})

t.test('each number carries its unit in its name', async (t) => {
  const counts = /^(PORT|ADMIN_PORT|LISTEN_BACKLOG|JWT_CACHE_SIZE|LOG_FILE_KEEP|WS_BAN_AFTER|WS_INBOUND_MAX|WS_MAX_FILTER_IDS)$|^WS_HISTORY_EVENTS|(CONNECTIONS|MESSAGES|UPGRADES)$/
  for (const name of numbers) t.match(name, /_(S|MS|MB|BYTES|SECONDS)$/.test(name) ? /./ : counts)
})

t.test('a flag is true or false, a choice one of its words', async (t) => {
  for (const text of ['yes', '1', 'TRUE', 'on']) t.match(reasonsOf({ ALLOW_INSECURE_WS: text }), [/must be true or false/])
  t.equal(readSettings({ JWKS_ALLOW_HTTP: 'true' }).values.JWKS_ALLOW_HTTP, true)
  t.match(reasonsOf({ WS_LIMITS_MODE: 'dry_run' }), [/must be one of enforce, dry-run, not "dry_run"/])
  for (const policy of ['local', 'open', 'closed']) t.same(reasonsOf({ WS_LIMITS_ON_REDIS_DOWN: policy }), [])
})

t.test('a list is trimmed, and one that would refuse everybody when empty cannot be empty', async (t) => {
  t.same(readSettings({ WS_ALLOWED_ORIGINS: ' https://a.example , https://b.example,' }).values.WS_ALLOWED_ORIGINS, ['https://a.example', 'https://b.example'])
  t.match(reasonsOf({ WS_TOKEN_CARRIERS: ',' }), [/must name at least one/])
  t.match(reasonsOf({ JWT_ALGORITHMS: ' , ' }), [/must name at least one/])
})

t.test('a secret is at least 32 long, and is never repeated', async (t) => {
  const short = 'hunter2-'.repeat(4).slice(1)
  t.same(reasonsOf({ SUPABASE_JWT_SECRET: short }), ['SUPABASE_JWT_SECRET: must be 32 to 4096 characters long'])
  t.same(reasonsOf({ SUPABASE_JWT_SECRET: short + 'x' }), [])
  const [one, other, third] = [short + 'x', short + 'y', short + 'z']
  for (const name of ['ADMIN_TOKEN', 'PUBLISH_KEY', 'WS_RESUME_KEY'] as const) {
    const reason = `${name}: must be one value of at least 32 bytes, or two with a comma between them`
    for (const wrong of [short, ',', `${one},`, `,${one}`, `${one},${short}`, `${one},${other},${third}`]) t.same(reasonsOf({ [name]: wrong }), [reason])
    t.same(readSettings({ [name]: one }).values[name], [one])
    t.same(readSettings({ [name]: ` ${one} , ${other} ` }).values[name], [one, other])
    t.same(readSettings({ [name]: '' }).values[name], [])
  }
  for (const name of NAMES.filter(name => (SETTINGS[name] as { secret?: boolean }).secret === true)) {
    const reasons = reasonsOf({ [name]: 'hunter2-'.repeat(9000) })
    t.equal(reasons.length, 1, name)
    t.notMatch(reasons.join(), 'hunter2', name)
  }
})

t.test('a wrong value is shown cut short and escaped, so that it cannot break a line', async (t) => {
  const [reason = ''] = reasonsOf({ NODE_ID: `a\n\u001b[31m${'x'.repeat(500)}` })
  t.match(reason, /^NODE_ID: must match .*not "a\\n\\u001b\[31mx+"$/)
  t.ok(reason.length < 200)
})

t.test('names that shape a key, a table or a role are plain', async (t) => {
  const good = { REDIS_KEY_PREFIX: 'prod:eu-1.', WS_PG_AGENTS: 'app.agents', WS_PG_TASKS: 'public.tasks', WS_PG_ROLE: 'reader', NODE_ID: 'node-1.eu', WORKERS: '16' }
  t.same(reasonsOf(good), [])
  const bad = { REDIS_KEY_PREFIX: '{x}', WS_PG_AGENTS: 'a;drop table b', WS_PG_TASKS: 'a.b.c', WS_PG_ROLE: 'x"; --', NODE_ID: 'a b', WORKERS: '0' }
  t.same(readSettings(bad).errors.map(error => error.setting).toSorted(), Object.keys(bad).toSorted())
  t.same(reasonsOf({ WS_PG_AGENTS: 'agents' }), ['WS_PG_AGENTS: must be the schema and the name of a table or view, such as public.example, not "agents"'])
})

t.test('every setting says what it is for', async (t) => {
  t.same(await offenders(NAMES, name => (bounds(name).description ?? '').length > 10 || name.endsWith('WINDOW_S')), [])
})
