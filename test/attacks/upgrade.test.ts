import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { exchange, openRaw, readResponse, upgradeHead } from '../support/raw-socket.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'
import { present, readMetric } from './present.js'

const AGENT = 'a0000000-0000-4000-8000-0000000000a1'

/** A server that accepts and never says a word. */
async function startSilentServer (t: Test): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.teardown(() => { socket.destroy() })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return (server.address() as AddressInfo).port
}

/** Sends an upgrade that waits for a dependency, and leaves it in one of the ways that a client can. */
async function leave (t: Test, gateway: TestGateway, redis: TestRedis, path: string, way: 'reset' | 'goodbye'): Promise<void> {
  const before = await readMetric(gateway, 'portcullis_upgrades_total{outcome="aborted"}')
  const from = freshAddress()
  const raw = await openRaw(t, gateway.port, from)
  raw.write(upgradeHead(path))
  // Its address is counted before the dependency is asked: a request that was reset unread would be no upgrade.
  await until('the upgrade is under way', async () => await redis.client.exists(`ws:ratelimit:ip:${from}`) === 1)
  t.equal(raw.received(), '', 'it waits')
  if (way === 'reset') raw.socket.resetAndDestroy()
  else raw.socket.end()
  await until('the abort was seen', async () => await readMetric(gateway, 'portcullis_upgrades_total{outcome="aborted"}') === before + 1)
}

async function expectNothingHeld (t: Test, gateway: TestGateway, redis: TestRedis, token: string): Promise<void> {
  await until('no lease is left', async () => (await redis.client.keys('ws:ratelimit:user:*')).length === 0)
  for (let slot = 0; slot < 5; slot++) {
    const client = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
    t.equal((await client.next()).type, 'welcome', 'every slot is free')
    client.socket.terminate()
  }
  t.same(gateway.log.filter(line => line.event === 'fault'), [])
  t.equal((await gateway.admin('/healthz')).status, 200)
}

const issuer = await startIssuer(t)
const network = await startGateway(t, { ...trust(issuer), WS_MAX_PENDING_UPGRADES: '2', WS_USER_CONNECTIONS: '1000', WS_IP_CONNECTIONS: '3' })

/** Heads that are never finished, every other one with a byte more now and then: they last while the other tests run. */
const unfinished = await Promise.all(Array.from({ length: 200 }, async (_, n) => {
  const head = upgradeHead(`/ws?token=${issuer.sign()}`)
  const raw = await openRaw(t, network.port, freshAddress())
  raw.write(head.slice(0, 1 + n % (head.length - 1)))
  return raw
}))
const trickle = setInterval(() => { for (const [n, raw] of unfinished.entries()) if (n % 2 === 0) raw.write('x') }, 500)
t.teardown(() => { clearInterval(trickle) })

t.test('two hundred heads that are never finished take no pending place', async (t) => {
  for (let n = 0; n < 5; n++) t.equal((await present(t, network, issuer.sign())).status, 101)
})

t.test('a token that hides a separator, encoded once or twice, stays one token', async (t) => {
  const token = issuer.sign({ agents: ['a1'] })
  for (const separator of ['%26', '%2526', '%3B', '%00', '%0D%0A', '%23', '%3F']) {
    t.equal((await exchange(t, network, upgradeHead(`/ws?token=${token}${separator}agent_ids=a1`), freshAddress()))?.status, 401, separator)
  }
})

t.test('no answer names a protocol that a client made up', async (t) => {
  for (const protocol of ['portcullis.v1, bearer.xy', 'portcullis.v1\tx', 'other', 'PORTCULLIS.V1', 'portcullis.v1;q=1']) {
    const answer = await exchange(t, network, upgradeHead(`/ws?token=${issuer.sign()}`, { 'Sec-WebSocket-Protocol': protocol }), freshAddress())
    t.ok(['portcullis.v1', undefined].includes(answer?.headers.get('sec-websocket-protocol')), JSON.stringify(protocol))
    t.notMatch(JSON.stringify([...answer?.headers ?? []]), /bearer|other|;q/)
  }
})

t.test('a request inside the body of another is not served', async (t) => {
  const inner = upgradeHead(`/ws?token=${issuer.sign({ sub: 'smuggled' })}`)
  for (const framing of [`Content-Length: ${inner.length}`, 'Transfer-Encoding: chunked', `Content-Length: ${inner.length}\r\nTransfer-Encoding: chunked`]) {
    const raw = await openRaw(t, network.port, freshAddress())
    raw.write(`GET /other HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${inner}`)
    await readResponse(raw)
    await network.admin('/healthz')
    t.notMatch(raw.received(), /HTTP\/1\.1 101/, framing)
    raw.socket.destroy()
  }
  t.same(network.log.filter(line => line.event === 'connection.accepted' && line['user_id'] === 'smuggled'), [])
})

t.test('requests that come in one piece are each decided and counted on their own', async (t) => {
  const from = freshAddress()
  const raw = await openRaw(t, network.port, from)
  raw.write(upgradeHead('/ws').repeat(3) + upgradeHead(`/ws?token=${issuer.sign({ sub: 'behind' })}`))
  await until('the connection ends', () => raw.socket.destroyed)
  t.notMatch(raw.received(), /HTTP\/1\.1 101/, 'the window is full by then')
  t.equal((await present(t, network, issuer.sign(), { from })).status, 429)
})

t.test('while the database takes connections and never answers', async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), startSilentServer(t)])
  const settings = { WS_AUTHORIZER: 'postgres', DATABASE_URL: `postgres://user:password@127.0.0.1:${port}/none`, WS_UPGRADE_DEADLINE_MS: '5000', WS_MAX_PENDING_UPGRADES: '3' }
  const gateway = await startGateway(t, { ...trust(issuer), ...settings, REDIS_URL: redis.url })
  const token = issuer.sign()
  const path = `/ws?token=${token}&agent_ids=${AGENT}`

  await t.test('a client that leaves takes nothing with it', async (t) => {
    await leave(t, gateway, redis, path, 'reset')
    await leave(t, gateway, redis, path, 'goodbye')
  })
  await t.test('an upgrade is 503 by the deadline, and those beyond the pending cap at once', async (t) => {
    const startedMs = performance.now()
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map(async () => await present(t, gateway, token, { query: `agent_ids=${AGENT}` })))
    t.ok(performance.now() - startedMs < HANG_MS)
    t.same(outcomes.map(({ status }) => status), [503, 503, 503, 503, 503])
    t.same(outcomes.map(({ error }) => error).toSorted(), ['overloaded', 'overloaded', 'unavailable', 'unavailable', 'unavailable'])
  })
  await t.test('no slot was taken, and who asks for nothing is not held up', async (t) => {
    await expectNothingHeld(t, gateway, redis, token)
  })
})

t.test('while introspection never answers', async (t) => {
  const [redis, keycloak] = await Promise.all([startRedis(t), startIssuer(t, { preset: 'keycloak', audience: 'gateway' })])
  const settings = { KEYCLOAK_URL: keycloak.url, KEYCLOAK_REALM: 'demo', KEYCLOAK_CLIENT_ID: 'gateway', KEYCLOAK_CLIENT_SECRET: 'client-secret', KEYCLOAK_INTROSPECT: 'true' }
  const gateway = await startGateway(t, { ...settings, REDIS_URL: redis.url, WS_UPGRADE_DEADLINE_MS: '5000' })
  const token = keycloak.sign({ typ: 'Bearer' })
  keycloak.behave('introspection', 'hang')
  await leave(t, gateway, redis, `/ws?token=${token}`, 'reset')
  await leave(t, gateway, redis, `/ws?token=${token}`, 'goodbye')
  t.same(await present(t, gateway, token), { status: 503, error: 'unavailable' })
  keycloak.behave('introspection', 'normal')
  // Another token of the same user: the question about the first is still under way.
  await expectNothingHeld(t, gateway, redis, keycloak.sign({ typ: 'Bearer', jti: 'second' }))
})

t.test('heads that are never finished are dropped, trickled or not', async (t) => {
  await until('all of them are dropped', () => unfinished.every(({ socket }) => socket.destroyed))
  t.ok(unfinished.every(raw => !raw.received().startsWith('HTTP/1.1 101')))
})

t.test('after all this the process lives and no fault was logged', async (t) => {
  t.equal((await network.admin('/readyz')).status, 200)
  t.same(network.log.filter(line => line.event === 'fault'), [])
  t.equal(network.stderr(), '')
})
