import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { CannotStart } from '../../src/cannot-start.js'
import { runCheck } from '../../src/cli/check/run-check.js'
import { loadConfig } from '../../src/config/load-config.js'
import { SETTINGS, type SettingName } from '../../src/config/settings.js'
import { createGateway } from '../../src/gateway/create-gateway.js'
import { findFreePort } from '../support/free-port.js'

const folder = await mkdtemp(join(tmpdir(), 'portcullis-hostile-'))
t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })

/** Most of the time is spent waiting. */
const AT_ONCE = 16
/** Nothing answers there, at once. */
const NOBODY = '127.0.0.1:1'
const BASE = {
  HOST: '127.0.0.1',
  PORT: '0',
  ADMIN_PORT: '0',
  LOG_LEVEL: 'silent',
  JWT_ISSUER: `http://${NOBODY}`,
  JWT_AUDIENCE: 'gateway',
  JWKS_TIMEOUT_MS: '100',
  WS_UPGRADE_DEADLINE_MS: '100',
  WS_DRAIN_SECONDS: '1'
}
const POSTGRES = { WS_AUTHORIZER: 'postgres', DATABASE_URL: `postgres://login@${NOBODY}/app` }
const SUPABASE = { JWT_ISSUER: '', JWT_AUDIENCE: '', SUPABASE_URL: `http://${NOBODY}`, SUPABASE_ANON_KEY: 'key', WS_AUTHORIZER: 'supabase' }
const KEYCLOAK = { JWT_ISSUER: '', JWT_AUDIENCE: '', KEYCLOAK_URL: `http://${NOBODY}`, KEYCLOAK_REALM: 'r', KEYCLOAK_CLIENT_ID: 'c', KEYCLOAK_CLIENT_SECRET: 's', KEYCLOAK_INTROSPECT: 'true' }
/** What makes settings of a name count at all. */
const BESIDE: ReadonlyArray<readonly [RegExp, Readonly<Record<string, string>>]> = [
  [/^(DATABASE_URL|WS_PG_.*|WS_ACCESS_ISSUER)$/, POSTGRES],
  [/^SUPABASE_/, SUPABASE],
  [/^KEYCLOAK_/, KEYCLOAK],
  [/^REDIS_SENTINEL/, { REDIS_SENTINELS: NOBODY, REDIS_SENTINEL_MASTER: 'main' }],
  [/^REDIS_KEY_PREFIX$/, { REDIS_URL: `redis://${NOBODY}` }],
  [/^ADMIN_HOST$/, { ADMIN_PORT: String(await findFreePort()) }],
  [/^JWT_ISSUER$/, { JWT_JWKS_URI: `http://${NOBODY}/keys` }]
]
/** What somebody may well write into any of them. */
const ANYWHERE = ['%zz', 'a#b', 'a b', '../..', '\u0000', '\ud800', '"\'`$(id)', '{}', '-1', ',', '[::1]', 'http://', 'https://[', 'http://a:b@c:99999/', 'https://id.example/?q=1#f']
/** What is hostile to one form alone. */
const ESPECIALLY: Partial<Readonly<Record<SettingName, readonly string[]>>> = {
  DATABASE_URL: [
    'postgres://u:p#ss@h/db', 'postgres://u:p%zz@127.0.0.1:1/db', 'postgres://u:1/2@h/db', 'postgres://u:12?4@h/db', 'postgres://a,b/db', 'postgres:///db', 'postgres://%2Frun/db',
    `postgres://u@${NOBODY}/db?channel_binding=require`, `postgres://u@${NOBODY}/db?pgbouncer=true`, `postgres://u@${NOBODY}/db?sslrootcert=/none`,
    `postgres://u@${NOBODY}/db?sslmode=verify-full&sslrootcert=${folder}`, `postgres://u@${NOBODY}/db?sslmode=strict`, `postgres://u@${NOBODY}/db?target_session_attrs=any`, `postgres://u@${NOBODY}/db%00x`
  ],
  REDIS_URL: ['redis://h:99999', 'redis://h/x', 'redis://u:p#s@h', `redis://${NOBODY}/99`, `redis://u:%zz@${NOBODY}`, `rediss://${NOBODY}`],
  REDIS_CLUSTER_URLS: ['redis://', 'redis://h/1', `redis://${NOBODY},x`],
  REDIS_SENTINELS: ['h', 'h:0', 'redis://h:1', `${NOBODY},`],
  LOG_FILE: [folder, '/proc/none/log', '/dev/null/log', join(folder, 'new/log')],
  TLS_CERT_FILE: [folder, '/dev/null'],
  TLS_KEY_FILE: [folder, '/dev/null'],
  ISSUERS: ['[{}]', '[{"name":"a","issuer":"http://","audience":"b"}]', '[[]]', '{"name":"a"}'],
  ALLOW_INSECURE_WS_UNTIL: ['2030-13-45T99:99:99Z', 'tomorrow'],
  WORKERS: ['999', '0x2'],
  TRUSTED_PROXIES: ['10.0.0.0/33', '::/0', '0.0.0.0/0', '10.0.0.1/'],
  WS_ALLOWED_ORIGINS: ['https://a/', 'null', '*.example', 'capacitor://localhost']
}
const names = Object.keys(SETTINGS) as SettingName[]
function besides (name: string): Readonly<Record<string, string>> {
  return Object.fromEntries(BESIDE.filter(([of]) => of.test(name)).flatMap(([, more]) => Object.entries(more)))
}

/** The stack of what ends `check` or the start; null: neither ends so. */
async function findStack (env: Readonly<Record<string, string>>): Promise<string | null> {
  try {
    await runCheck(env, { json: false, token: null, write: () => {} })
    const gateway = createGateway({ config: loadConfig(env), log: { write: () => {} } })
    await gateway.start()
    await gateway.stop('test')
    return null
  } catch (error) {
    return error instanceof CannotStart ? null : error instanceof Error ? error.stack ?? error.message : String(error)
  }
}

t.test('no value that somebody may write into a setting ends check or the start with a stack', async (t) => {
  const cases = names.flatMap(name => [...ANYWHERE, ...ESPECIALLY[name] ?? []].map((value) => {
    return { name, value, env: { ...BASE, ...besides(name), [name]: value } }
  }))
  const stacks: string[] = []
  process.on('unhandledRejection', (error) => { stacks.push(`unhandled: ${String(error)}`) })
  const work = async (): Promise<void> => {
    for (let next = cases.pop(); next !== undefined; next = cases.pop()) {
      const stack = await findStack(next.env)
      if (stack !== null) stacks.push(`${next.name}=${JSON.stringify(next.value)}: ${stack}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  t.same(stacks, [])
})
