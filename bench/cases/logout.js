import { randomBytes } from 'node:crypto'
import { startLoad } from '../load/start-load.js'
import { measureLogouts, SESSIONS, SETTINGS } from '../measure/logout-rounds.js'
import { createScope } from '../measure/scope.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { openRealm } from '../servers/keycloak-realm.js'
import { startRedis } from '../servers/redis.js'

export const title = '50 sessions logged out one after the other by back-channel logout, 1,000 sockets on two processes with one Redis: from the call to the session\'s last closed socket'
/** A session ends on every process within a second. */
const MOST_MS = 1000

/** `operations`: sessions of a round. With KEYCLOAK_TEST_URL (and KEYCLOAK_TEST_PASSWORD) that Keycloak's logout is measured as well. */
export async function run (scope, { rounds, short, progress, operations: sessions = SESSIONS }) {
  const settings = { rounds, sessions, progress, targetMax: MOST_MS }
  const { KEYCLOAK_TEST_URL: url, KEYCLOAK_TEST_PASSWORD: password = 'admin' } = process.env
  const ours = await measureOurs(scope, settings)
  return short || url === undefined ? ours : [...ours, ...await measureKeycloak(scope, { url, password }, settings)]
}

/** Two processes, and what holds sockets on each. */
async function startStage (scope, issuer, env = {}) {
  const redis = await startRedis(scope)
  const servers = await Promise.all([0, 1].map(async () => await startGateway(scope, { issuer, redis, env: { ...SETTINGS, ...env } })))
  const loads = await Promise.all(servers.map(async () => await startLoad(scope, 'closings')))
  return { servers, loads }
}

async function measureOurs (scope, settings) {
  const own = createScope()
  scope.onEnd(own.end)
  const issuer = await startIssuer(own)
  const stage = await startStage(own, issuer)
  const [{ port }] = stage.servers
  const makeSessions = async count => Array.from({ length: count }, () => {
    const sid = randomBytes(12).toString('base64url')
    return { token: issuer.token({ sid }), end: async () => { await tell(port, issuer.logoutToken(sid)) } }
  })
  const rows = await measureLogouts('an issuer of the bench', { ...stage, makeSessions }, settings)
  await own.end()
  return rows
}

async function tell (port, token) {
  const body = new URLSearchParams({ logout_token: token })
  const { status } = await fetch(`http://127.0.0.1:${port}/oidc/backchannel-logout`, { method: 'POST', body })
  if (status !== 200) throw new Error(`the logout was answered ${status}`)
}

/** From the call of the application that logs its user out, so that Keycloak's own work is in it. */
async function measureKeycloak (scope, server, settings) {
  const own = createScope()
  scope.onEnd(own.end)
  settings.progress('making a realm')
  const realm = await openRealm(own, server)
  const stage = await startStage(own, { url: realm.issuer, jwksUrl: realm.jwksUrl }, { JWT_AUDIENCE: 'portcullis' })
  await realm.tellLogouts(stage.servers[0].port)
  const makeSessions = async (count) => {
    settings.progress(`${count} log-ins at Keycloak`)
    const made = []
    for (let n = 0; n < count; n++) made.push(await realm.logIn())
    return made
  }
  const rows = await measureLogouts('Keycloak, asked by the application', { ...stage, makeSessions }, settings)
  await own.end()
  return rows
}
