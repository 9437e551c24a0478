import t from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import { makeCertificate } from '../support/certificate.js'
import { LEAST, NOW_MS, expectMistakes } from './expect-mistakes.js'

const { certFile, keyFile } = await makeCertificate(t)
const GENERIC = LEAST
const KEYCLOAK = { KEYCLOAK_URL: 'https://kc.example', KEYCLOAK_REALM: 'r', KEYCLOAK_CLIENT_ID: 'c' }
const SECRET = 'a-secret-that-is-long-enough-for-all'

/** Each unsafe or half combination: the settings, the one that is named, the reason. */
const UNSAFE: ReadonlyArray<readonly [string, NodeJS.ProcessEnv, string, RegExp]> = [
  ['no issuer at all', {}, 'JWT_ISSUER', /no issuer is configured/],
  ['several processes without Redis', { ...GENERIC, WORKERS: '2' }, 'WORKERS', /needs REDIS_URL/],
  ['several processes on any free port', { ...GENERIC, WORKERS: '2', REDIS_URL: 'redis://r', PORT: '0' }, 'PORT', /share it/],
  ['more processes than can be', { ...GENERIC, WORKERS: '257', REDIS_URL: 'redis://r' }, 'WORKERS', /at most 256/],
  ['a single Redis and a cluster', { ...GENERIC, REDIS_URL: 'redis://r', REDIS_CLUSTER_URLS: 'redis://c' }, 'REDIS_CLUSTER_URLS', /instead of REDIS_URL/],
  ['a Redis that is none', { ...GENERIC, REDIS_URL: 'localhost:6379' }, 'REDIS_URL', /redis:\/\//],
  ['a database that is no number', { ...GENERIC, REDIS_URL: 'redis://r/abc' }, 'REDIS_URL', /number of a database/],
  ['a database of a cluster', { ...GENERIC, REDIS_CLUSTER_URLS: 'redis://a/2,redis://b/2' }, 'REDIS_CLUSTER_URLS', /database 0/],
  ['Sentinels without a name', { ...GENERIC, REDIS_SENTINELS: 's:26379' }, 'REDIS_SENTINEL_MASTER', /needed with REDIS_SENTINELS/],
  ['a name without Sentinels', { ...GENERIC, REDIS_SENTINEL_MASTER: 'main' }, 'REDIS_SENTINELS', /needed with REDIS_SENTINEL_MASTER/],
  ['a password without Sentinels', { ...GENERIC, REDIS_SENTINEL_PASSWORD: 'x' }, 'REDIS_SENTINELS', /needed with REDIS_SENTINEL_PASSWORD/],
  ['Sentinels and a cluster', { ...GENERIC, REDIS_SENTINELS: 's:26379', REDIS_SENTINEL_MASTER: 'main', REDIS_CLUSTER_URLS: 'redis://a' }, 'REDIS_SENTINELS', /instead of REDIS_CLUSTER_URLS/],
  ['a Sentinel without a port', { ...GENERIC, REDIS_SENTINELS: 'a:26379,b', REDIS_SENTINEL_MASTER: 'main' }, 'REDIS_SENTINELS', /entry 2 is not host:port/],
  ['a cluster node that is none', { ...GENERIC, REDIS_CLUSTER_URLS: 'redis://a,b:6379' }, 'REDIS_CLUSTER_URLS', /redis:\/\//],
  ['the admin port on the main port', { ...GENERIC, ADMIN_PORT: '9001' }, 'ADMIN_PORT', /must differ from PORT/],
  ['one secret for two doors', { ...GENERIC, ADMIN_TOKEN: SECRET, PUBLISH_KEY: SECRET }, 'PUBLISH_KEY', /must differ/],
  ['one of two secrets for two doors', { ...GENERIC, ADMIN_TOKEN: `${SECRET}-1,${SECRET}`, PUBLISH_KEY: `${SECRET},${SECRET}-2` }, 'PUBLISH_KEY', /must differ/],
  ['a certificate without its key', { ...GENERIC, TLS_CERT_FILE: certFile }, 'TLS_KEY_FILE', /go together/],
  ['a key without its certificate', { ...GENERIC, TLS_KEY_FILE: keyFile }, 'TLS_KEY_FILE', /go together/],
  ['a certificate that is not there', { ...GENERIC, TLS_CERT_FILE: '/nowhere', TLS_KEY_FILE: keyFile }, 'TLS_CERT_FILE', /cannot be read/],
  ['PROXY headers from anyone', { ...GENERIC, PROXY_PROTOCOL: 'v2' }, 'TRUSTED_PROXIES', /is needed/],
  ['every address a trusted proxy', { ...GENERIC, TRUSTED_PROXIES: '0.0.0.0/0' }, 'TRUSTED_PROXIES', /cover every address/],
  ['IPv4 proxies written as IPv6', { ...GENERIC, TRUSTED_PROXIES: '::ffff:10.0.0.0/104' }, 'TRUSTED_PROXIES', /write the IPv4 form/],
  ['IPv4 addresses exempt as IPv6', { ...GENERIC, WS_IP_ALLOW_LIST: '10.0.0.1,::ffff:0:0/96' }, 'WS_IP_ALLOW_LIST', /write the IPv4 form/],
  ['every address exempt', { ...GENERIC, WS_IP_ALLOW_LIST: '::/0' }, 'WS_IP_ALLOW_LIST', /cover every address/],
  ['an unknown carrier', { ...GENERIC, WS_TOKEN_CARRIERS: 'cookie' }, 'WS_TOKEN_CARRIERS', /unknown carrier "cookie"/],
  ['any origin beside named ones', { ...GENERIC, WS_ALLOWED_ORIGINS: '*,https://a.example' }, 'WS_ALLOWED_ORIGINS', /stands alone/],
  ['any origin without tokens', {
    ...GENERIC, WS_ALLOWED_ORIGINS: '*', ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: '2030-01-31T13:00:00Z'
  }, 'WS_ALLOWED_ORIGINS', /any web page/],
  ['postgres without a database', { ...GENERIC, WS_AUTHORIZER: 'postgres' }, 'DATABASE_URL', /is needed/],
  ['a database that is none', { ...GENERIC, WS_AUTHORIZER: 'postgres', DATABASE_URL: 'db.example' }, 'DATABASE_URL', /postgres:\/\//],
  ['supabase without its project', { ...GENERIC, WS_AUTHORIZER: 'supabase', SUPABASE_ANON_KEY: 'k' }, 'SUPABASE_URL', /is needed/],
  ['a public table that is none of ours', { ...GENERIC, SUPABASE_PUBLIC_TABLES: 'public.agents,public.teams' }, 'SUPABASE_PUBLIC_TABLES', /public\.agents or public\.tasks, or is `none` alone/],
  ['no public table and one', { ...GENERIC, SUPABASE_PUBLIC_TABLES: 'none,public.agents' }, 'SUPABASE_PUBLIC_TABLES', /or is `none` alone/],
  ['supabase without its key', { ...GENERIC, WS_AUTHORIZER: 'supabase', SUPABASE_URL: 'https://p.supabase.co', WS_ACCESS_ISSUER: 'supabase' }, 'SUPABASE_ANON_KEY', /is needed/],
  ['a database and several issuers, nobody knows whose', { ...GENERIC, ...KEYCLOAK, WS_AUTHORIZER: 'postgres', DATABASE_URL: 'postgres://db' }, 'WS_ACCESS_ISSUER', /is needed/],
  ['a database for the users of two issuers', {
    ...GENERIC, ...KEYCLOAK, WS_AUTHORIZER: 'postgres', DATABASE_URL: 'postgres://db', WS_ACCESS_ISSUER: 'oidc,keycloak'
  }, 'WS_ACCESS_ISSUER', /with a database it is one/],
  ['claims of several issuers, nobody knows whose count', { ...GENERIC, ...KEYCLOAK }, 'WS_ACCESS_ISSUER', /name those whose claims agents and tasks count, of oidc, keycloak; or set "rights": true/],
  ['rights for an issuer that is misspelt', { ...GENERIC, ...KEYCLOAK, WS_ACCESS_ISSUER: 'oidc,keycloack' }, 'WS_ACCESS_ISSUER', /names no configured issuer by "keycloack"; known: oidc, keycloak/],
  ['a database for an issuer that is not there', {
    ...GENERIC, WS_AUTHORIZER: 'postgres', DATABASE_URL: 'postgres://db', WS_ACCESS_ISSUER: 'google'
  }, 'WS_ACCESS_ISSUER', /names no configured issuer by "google"; known: oidc/]
]

t.test('what would not be safe, or is only half there, does not start', async (t) => {
  for (const [what, env, setting, reason] of UNSAFE) {
    const mistakes = expectMistakes(t, env)
    t.match(mistakes.find(mistake => mistake.setting === setting)?.reason, reason, what)
    t.equal(mistakes.length, 1, `${what}: one mistake, one line`)
  }
})

t.test('an origin in the list is exact: scheme, host and port as browsers write them', async (t) => {
  const wrong = [
    'app.example', 'https://app.example/', 'https://App.example', 'https://app.example:443', 'https://*.example', 'null', 'https://a.example/x', 'file://', '//a.example',
    'https://user@a.example', 'ws://a.example', 'wss://a.example', 'capacitor://', 'capacitor://localhost/', 'Capacitor://localhost', 'capacitor://LOCALHOST',
    'capacitor:localhost', 'capacitor://localhost:0', 'capacitor://a b', 'capacitor://user@localhost', 'capacitor://localhost?x', 'SELF', 'file:///', 'data:text/html,x'
  ]
  for (const origin of wrong) t.match(expectMistakes(t, { ...GENERIC, WS_ALLOWED_ORIGINS: origin }), [{ setting: 'WS_ALLOWED_ORIGINS' }], origin)
  for (const origin of ['https://app.example', 'http://localhost:3000', 'https://xn--bcher-kva.example', 'http://[::1]:8080', 'capacitor://localhost', 'ionic://localhost', 'tauri://localhost', 'app://com.example.my-app', 'chrome-extension://abcdefghijklmnop', 'capacitor://localhost:8100', 'https://app.example.']) {
    t.ok(loadConfig({ ...GENERIC, WS_ALLOWED_ORIGINS: origin }, NOW_MS).upgrade.origins.has(origin), origin)
  }
  t.equal(loadConfig({ ...GENERIC, WS_ALLOWED_ORIGINS: '*' }, NOW_MS).upgrade.anyOrigin, true)
})

t.test('the own host is allowed where nothing else is, and beside a list where that says so', async (t) => {
  const read = (text: string): readonly [boolean, readonly string[]] => {
    const { ownHost, origins } = loadConfig({ ...GENERIC, WS_ALLOWED_ORIGINS: text }, NOW_MS).upgrade
    return [ownHost, [...origins]]
  }
  t.same(read(''), [true, []])
  t.same(read('self'), [true, []])
  t.same(read('https://app.example'), [false, ['https://app.example']])
  t.same(read('https://app.example,self,capacitor://localhost'), [true, ['https://app.example', 'capacitor://localhost']])
})

t.test('the safe neighbours of those combinations start', async (t) => {
  for (const env of [
    { WORKERS: '2', REDIS_URL: 'redis://127.0.0.1:6379/0' },
    { WORKERS: '2', REDIS_SENTINELS: 'a:26379,[fd00::1]:26379', REDIS_SENTINEL_MASTER: 'main', REDIS_SENTINEL_PASSWORD: 'x' },
    { REDIS_URL: 'rediss://user:pass@any/3', REDIS_SENTINELS: 'a:26379', REDIS_SENTINEL_MASTER: 'main' },
    { WORKERS: '2', REDIS_CLUSTER_URLS: 'redis://a:1,rediss://b:2' },
    { SUPABASE_PUBLIC_TABLES: 'none' }, { SUPABASE_PUBLIC_TABLES: 'public.tasks,public.agents' },
    { PORT: '0', ADMIN_PORT: '0' },
    { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile },
    { PROXY_PROTOCOL: 'v2', TRUSTED_PROXIES: '127.0.0.1' },
    { ...KEYCLOAK, WS_AUTHORIZER: 'postgres', DATABASE_URL: 'postgresql://db/app', WS_ACCESS_ISSUER: 'keycloak' },
    { ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: '2030-02-01T12:00:00Z', JWT_ISSUER: '', JWT_AUDIENCE: '' }
  ]) t.ok(loadConfig({ ...GENERIC, ...env }, NOW_MS), JSON.stringify(env))
})
