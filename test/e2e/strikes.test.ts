import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

// Most of the time here is spent waiting for processes.
t.jobs = 2

const SETTINGS = { WS_IP_CONNECTIONS: '2', WS_BAN_AFTER: '3', WS_BAN_S: '120' }

async function open (t: Test, gateway: TestGateway, token: string, from: string): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${token}`, { from })
  await client.nextOf('welcome')
  return client
}

/** One more attempt of an address: why it is refused. */
async function refusal (t: Test, gateway: TestGateway, from: string, headers: Record<string, string> = {}): Promise<unknown> {
  return (await connectRefused(t, gateway, '/ws?token=noise', { from, headers })).body['error']
}

async function untilBanned (t: Test, gateway: TestGateway, from: string): Promise<void> {
  await until('it is banned', async () => await refusal(t, gateway, from) === 'banned')
}

t.test('an address that breaks its limit again and again is banned on every process', { buffered: true }, async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const settings = { ...trust(issuer), ...SETTINGS, REDIS_URL: redis.url }
  const [first, second] = await Promise.all([startGateway(t, settings), startGateway(t, settings)])
  const from = freshAddress()
  const innocent = await open(t, second, issuer.sign({ sub: 'innocent' }), freshAddress())
  const here = await open(t, first, issuer.sign({ sub: 'a' }), from)
  const there = await open(t, second, issuer.sign({ sub: 'b' }), from)
  // Two where it was refused by Redis and then from memory, one on the other process: together enough.
  t.equal(await refusal(t, first, from), 'ip_rate_limited')
  t.equal(await refusal(t, first, from), 'ip_rate_limited')
  t.equal(await refusal(t, second, from), 'ip_rate_limited')

  for (const client of [here, there]) {
    const { code, reason } = await client.closed
    t.equal(code, 4403)
    t.match(JSON.parse(reason), { error: 'banned', retry_after_ms: Number })
  }
  for (const gateway of [first, second]) {
    const refused = await connectRefused(t, gateway, `/ws?token=${issuer.sign()}`, { from })
    t.equal(refused.status, 403)
    t.equal(refused.body['error'], 'banned')
    const waitS = Number(refused.headers['retry-after'])
    t.ok(waitS > 100 && waitS <= 120, String(waitS))
  }
  await Promise.race([first, second].map(async gateway => await gateway.waitForLog('address.banned')))
  const lines = [...first.log, ...second.log].filter(line => line.event === 'address.banned')
  t.match(lines, [{ ip: from, duration_ms: 120_000, level: 'warn' }])
  t.equal(lines.length, 1, 'one process writes it down')
  innocent.send({ type: 'ping' })
  t.equal((await innocent.nextOf('pong')).type, 'pong')

  const late = await startGateway(t, settings)
  t.equal(await refusal(t, late, from), 'banned', 'who starts later knows it too')
})

t.test('the message limit counts as well, the slots of a user do not', { buffered: true }, async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_IP_MESSAGES: '3', WS_BAN_AFTER: '1', WS_USER_CONNECTIONS: '1' })
  const flood = freshAddress()
  const client = await open(t, gateway, issuer.sign({ sub: 'flood' }), flood)
  for (let i = 0; i < 4; i++) client.send({ type: 'ping' })
  t.equal((await client.closed).code, 4429)
  await untilBanned(t, gateway, flood)

  const office = freshAddress()
  const token = issuer.sign({ sub: 'heavy' })
  const held = await open(t, gateway, token, office)
  for (let i = 0; i < 5; i++) t.equal((await connectRefused(t, gateway, `/ws?token=${token}`, { from: office })).body['error'], 'user_connection_limit')
  // Another address is banned after that: what was before it is counted.
  const witness = freshAddress()
  const last = await open(t, gateway, issuer.sign({ sub: 'witness' }), witness)
  for (let i = 0; i < 4; i++) last.send({ type: 'ping' })
  await gateway.waitForLog('address.banned', line => line['ip'] === witness)
  t.equal(held.socket.readyState, held.socket.OPEN)
  t.same(gateway.log.filter(line => line.event === 'address.banned').map(line => line['ip']), [flood, witness])
})

t.test('trusted proxies and the allow list are never banned; their clients are', { buffered: true }, async (t) => {
  const issuer = await startIssuer(t)
  const [proxy, listed] = [freshAddress(), freshAddress()]
  const gateway = await startGateway(t, { ...trust(issuer), ...SETTINGS, WS_IP_MESSAGES: '1', TRUSTED_PROXIES: proxy, WS_IP_ALLOW_LIST: listed })
  const seen: unknown[] = []
  await until('its limit is broken eight times', async () => {
    seen.push(await refusal(t, gateway, proxy))
    return seen.filter(name => name === 'ip_rate_limited').length === 8
  })
  t.notOk(seen.includes('banned'))
  const guest = { 'X-Forwarded-For': '203.0.113.7' }
  await until('the client behind it is banned', async () => await refusal(t, gateway, proxy, guest) === 'banned')
  t.equal(await refusal(t, gateway, proxy), 'ip_rate_limited', 'the proxy itself is not')
  for (let i = 0; i < 8; i++) t.equal(await refusal(t, gateway, listed), 'invalid_token')
  await gateway.waitForLog('address.banned')
  t.same(gateway.log.filter(line => line.event === 'address.banned').map(line => line['ip']), ['203.0.113.7'])
})

t.test('a dry run bans nobody', { buffered: true }, async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), ...SETTINGS, REDIS_URL: redis.url, WS_BAN_AFTER: '1', WS_LIMITS_MODE: 'dry-run' })
  const from = freshAddress()
  for (let i = 0; i < 20; i++) t.equal(await refusal(t, gateway, from), 'invalid_token')
  await gateway.waitForLog('connection.refused', line => line['dry_run'] === true && line['reason'] === 'ip_rate_limited')
  t.same(await redis.client.keys('*ws:strikes*'), [])
  t.same(await redis.client.keys('*ws:ban*'), [])
})

t.test('while Redis is away this process bans by itself, and everywhere once Redis is back', { buffered: true }, async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), ...SETTINGS, REDIS_URL: redis.url })
  const from = freshAddress()
  const client = await open(t, gateway, issuer.sign(), from)
  await redis.stop()
  await untilBanned(t, gateway, from)
  t.equal((await client.closed).code, 4403)
  await redis.restart()
  await until('the ban is kept', async () => await redis.client.exists(`ws:ban:${from}`) === 1)
  t.equal(await refusal(t, gateway, from), 'banned')
})
