import t, { type Test } from 'tap'
import { SETTINGS } from '../../src/config/settings.js'
import { connect } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPostgres } from '../support/postgres.js'
import { startPostgrest } from '../support/postgrest.js'
import { startRedis } from '../support/redis.js'

/** Each duration that a setting may name, at its longest: a timer that takes none so long fires at once, and again and again. */
const LONGEST = Object.fromEntries(Object.entries(SETTINGS).flatMap(([name, schema]) =>
  /_(?:S|MS|SECONDS)$/.test(name) && 'maximum' in schema ? [[name, String(schema.maximum)]] : []))
/** Round trips of a client, in which something that never pauses would be done hundreds of times. */
const PINGS = 300
/** Work that may be done meanwhile and at the start. */
const MOST = 150

const [issuer, redis, database] = await Promise.all([startIssuer(t, { preset: 'supabase' }), startRedis(t), startPostgres(t)])
const name = await database.createSample('longest')
const postgrest = await startPostgrest(t, { databaseUrl: database.url('portcullis_login', name), key: issuer.newestKey().publicKey })

const AUTHORIZERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  claims: { WORKERS: '2' },
  postgres: { WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', name) },
  supabase: { WS_AUTHORIZER: 'supabase', SUPABASE_URL: postgrest.url, SUPABASE_ANON_KEY: postgrest.anonKey, WS_ACCESS_ISSUER: 'oidc' }
}

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const YEAR_S = 31_536_000

async function callsSoFar (): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0) + postgrest.requests.length
}

interface Subject { readonly authorizer: string, readonly gateway: TestGateway, ping (): Promise<void> }

/** A gateway with a client whose token lives as long as any may, and a ban that lasts as long as any may. */
async function start (t: Test, authorizer: string, more: Readonly<Record<string, string>>): Promise<Subject> {
  const port = await findFreePort()
  const first = more['WORKERS'] === undefined ? 'server.started' : 'supervisor.started'
  const gateway = await startGateway(t, {
    ...trust(issuer), ...LONGEST, ...more, REDIS_URL: redis.url, PORT: String(port), ADMIN_TOKEN, WS_IP_MESSAGES: '100000', WS_BAN_AFTER: '3', NODE_ID: authorizer
  }, { first })
  const nowS = Math.floor(Date.now() / 1000)
  const token = issuer.sign({ sub: authorizer, auth_time: nowS, exp: nowS + YEAR_S - 600 })
  const client = await connect(t, gateway, '/ws', { headers: { authorization: `Bearer ${token}` } })
  await client.nextOf('welcome')
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }
  const banned = await gateway.admin('/v1/bans/192.0.2.1', { method: 'PUT', headers, body: JSON.stringify({ seconds: YEAR_S }) })
  t.equal(banned.status, 204)
  return {
    authorizer,
    gateway,
    async ping () {
      for (let n = 0; n < PINGS; n++) {
        client.send({ type: 'ping', id: String(n) })
        await client.nextOf('pong')
      }
    }
  }
}

t.test('no duration that a setting, a token or an order may name makes a timer fire at once', async (t) => {
  t.ok(Object.keys(LONGEST).length > 15, Object.keys(LONGEST).join())
  const subjects = await Promise.all(Object.entries(AUTHORIZERS).map(async ([authorizer, more]) => await start(t, authorizer, more)))
  const before = await callsSoFar()
  await Promise.all(subjects.map(async ({ ping }) => { await ping() }))
  const calls = await callsSoFar() - before
  t.ok(calls <= MOST, `${calls} calls`)
  const offenders = await Promise.all(subjects.map(async ({ authorizer, gateway, ping }) => {
    // The end is a duration as well: whoever is there stays, and nobody is ended as overdue.
    gateway.signal('SIGTERM')
    await gateway.waitForLog('server.draining')
    const stays = await ping().then(() => true, () => false)
    return { authorizer, stays, stderr: gateway.stderr() }
  }))
  t.same(offenders.filter(({ stays, stderr }) => !stays || stderr !== ''), [])
})
