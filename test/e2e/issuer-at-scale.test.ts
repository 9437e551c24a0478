import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { createDpopClient } from '../support/dpop.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { until } from '../support/until.js'
import { workerOf } from '../support/workers.js'

const PUBLIC_URL = 'https://gateway.example'
const TARGET = `${PUBLIC_URL}/v1/tickets`
const LOGOUT = { 'http://schemas.openid.net/event/backchannel-logout': {} }
const SETTINGS = { PUBLIC_URL, TRUSTED_PROXIES: '127.0.0.1', WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '1000' }

const httpUrl = (gateway: TestGateway, path: string): string => gateway.url(path).replace(/^ws/, 'http')

async function ask (gateway: TestGateway, headers: Record<string, string>): Promise<{ readonly status: number, readonly ticket: string }> {
  const answer = await fetch(httpUrl(gateway, '/v1/tickets'), { method: 'POST', headers })
  const { ticket = '' } = await answer.json() as { ticket?: string }
  return { status: answer.status, ticket }
}

function logoutToken (issuer: TestIssuer, sid: string): string {
  return issuer.sign({ jti: randomUUID(), sid, sub: undefined, events: LOGOUT }, { header: { typ: 'logout+jwt' } })
}

async function logOut (gateway: TestGateway, token: string): Promise<number> {
  const body = new URLSearchParams({ logout_token: token })
  return (await fetch(httpUrl(gateway, '/oidc/backchannel-logout'), { method: 'POST', body })).status
}

const at = (from: string) => ({ headers: { 'x-forwarded-for': from } })

async function answers (client: TestClient): Promise<void> {
  client.send({ type: 'ping' })
  await client.nextOf('pong')
}

/** What of tickets has to hold whichever of the two is asked. */
async function checkTickets (t: Test, issuer: TestIssuer, asked: TestGateway, used: TestGateway): Promise<void> {
  const from = freshAddress()
  const { status, ticket } = await ask(asked, { authorization: `Bearer ${issuer.sign({ sub: 'tina' })}`, 'x-forwarded-for': from })
  t.equal(status, 201)
  const client = await connect(t, used, `/ws?ticket=${ticket}`, at(from))
  t.equal((await client.nextOf('welcome'))['user_id'], 'tina')
  for (const gateway of [asked, used]) t.equal((await connectRefused(t, gateway, `/ws?ticket=${ticket}`, at(from))).body['error'], 'invalid_token', 'once')
  const holder = createDpopClient()
  const token = issuer.sign({ sub: 'tom', cnf: { jkt: holder.jkt } })
  const headers = { authorization: `DPoP ${token}`, dpop: holder.prove(TARGET, token), 'x-forwarded-for': from }
  t.equal((await ask(asked, headers)).status, 201)
  for (const gateway of [asked, used]) t.equal((await ask(gateway, headers)).status, 401, 'a proof counts once')
}

t.test('on a Redis Cluster of three, under two processes', async (t) => {
  const [cluster, issuer] = await Promise.all([startRedisCluster(t), startIssuer(t)])
  const settings = { ...trust(issuer), ...SETTINGS, REDIS_CLUSTER_URLS: cluster.urls.join(',') }
  const [here, there] = await Promise.all([startGateway(t, settings), startGateway(t, settings)])
  for (const gateway of [here, there]) await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const join = async (gateway: TestGateway, sid: string) => await connect(t, gateway, `/ws?token=${issuer.sign({ sid })}`, { from: freshAddress() })

  await t.test('a ticket of one opens a connection of the other, once', async (t) => {
    // Names are hashes: a dozen have keys in each third of the slots.
    for (let n = 0; n < 12; n++) await checkTickets(t, issuer, n % 2 === 0 ? here : there, n % 2 === 0 ? there : here)
  })

  await t.test('logouts that one is told end the sessions on both, and told again to the other are nothing more', async (t) => {
    for (let n = 0; n < 12; n++) {
      const [mine, theirs, other] = [await join(here, `s${n}`), await join(there, `s${n}`), await join(there, 'stays')]
      const token = logoutToken(issuer, `s${n}`)
      t.equal(await logOut(here, token), 200)
      t.match(await Promise.all([mine.closed, theirs.closed]), [{ code: 4401, reason: /revoked/ }, { code: 4401, reason: /revoked/ }])
      await answers(other)
      t.equal(await logOut(there, token), 200)
      await there.waitForLog('logout.heard', line => line['outcome'] === 'repeated' && line['target'] === `sid:s${n}`)
    }
  })
})

t.test('of two workers on one port, whichever is asked', async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  const gateway = await startGateway(t, { ...trust(issuer), ...SETTINGS, REDIS_URL: redis.url, WORKERS: '2', PORT: String(port) })
  await until('both workers have keys', () =>
    new Set(gateway.log.filter(({ event }) => event === 'jwks.refreshed').map(({ node }) => workerOf(node))).size === 2)

  /** Connections of this session until each worker has one. */
  async function joinBoth (sid: string): Promise<TestClient[]> {
    const clients = new Map<string, TestClient>()
    for (let n = 0; n < 200 && clients.size < 2; n++) {
      const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sid })}`, { from: freshAddress() })
      clients.set(workerOf((await client.nextOf('welcome'))['node']), client)
    }
    t.equal(clients.size, 2, 'each worker has one')
    return [...clients.values()]
  }

  await t.test('a ticket opens one connection, and a proof counts once', async (t) => {
    for (let n = 0; n < 12; n++) await checkTickets(t, issuer, gateway, gateway)
  })

  await t.test('a logout ends the session on both, and no other', async (t) => {
    const [gone, stay] = [await joinBoth('gone'), await joinBoth('stays')]
    t.equal(await logOut(gateway, logoutToken(issuer, 'gone')), 200)
    t.match(await Promise.all(gone.map(async ({ closed }) => await closed)), [{ code: 4401 }, { code: 4401 }])
    for (const client of stay) await answers(client)
    t.equal((await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sid: 'gone' })}`, { from: freshAddress() })).body['error'], 'revoked')
  })
})
