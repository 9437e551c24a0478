import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { countLines } from '../support/held-sockets.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startMonitor } from '../support/monitor.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

// Two gateways and one Redis in which another program has written at a key of ours. Nobody else may notice.
const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const OTHERS = 30

interface Stage {
  readonly redis: TestRedis
  readonly issuer: TestIssuer
  readonly gateways: readonly TestGateway[]
}

/** `closed`: the policy that would refuse everybody in an outage. */
async function setStage (t: Test): Promise<Stage> {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const settings = {
    ...trust(issuer),
    REDIS_URL: redis.url,
    WS_LIMITS_ON_REDIS_DOWN: 'closed',
    ADMIN_TOKEN,
    PUBLISH_KEY,
    WS_USER_LEASE_S: '3',
    WS_BAN_AFTER: '1000',
    WS_PLAIN_USER_PUBLISH: 'true'
  }
  const gateways = await Promise.all([startGateway(t, settings), startGateway(t, settings)])
  for (const gateway of gateways) await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  return { redis, issuer, gateways }
}

const bearer = ({ issuer }: Stage, sub: string) => ({ authorization: `Bearer ${issuer.sign({ sub, agents: ['a1'], scope: 'ws:send' })}` })

async function open (t: Test, stage: Stage, gateway: TestGateway, sub: string, from = freshAddress()): Promise<TestClient> {
  const client = await connect(t, gateway, '/ws', { from, headers: bearer(stage, sub) })
  await client.nextOf('welcome')
  return client
}

let users = 0
/** Opens many connections of other users on both gateways at once, beside one attempt of Mallory on each. */
async function storm (t: Test, stage: Stage, from?: string): Promise<{ refused: string[], mallory: unknown[] }> {
  const refused: string[] = []
  const mallory = Promise.all(stage.gateways.map(async gateway =>
    (await connectRefused(t, gateway, '/ws', { from: from ?? freshAddress(), headers: bearer(stage, 'mallory') })).body['error']))
  await Promise.all(stage.gateways.flatMap(gateway => Array.from({ length: OTHERS }, async () => {
    await open(t, stage, gateway, `user-${++users}`).catch((error: unknown) => { refused.push(String(error)) })
  })))
  return { refused, mallory: await mallory }
}

/** What says that Redis is away, or that its connections were made anew. */
const OUTAGE = ['limits.degraded', 'redis.renewed', 'bus.lost']

function expectQuiet (t: Test, { gateways }: Stage): void {
  t.same(gateways.flatMap(gateway => gateway.log.filter(({ event }) => OUTAGE.includes(event))), [], 'no outage')
}

/** Two heartbeats that fail used to have all connections made anew: until each gateway has sent so many more. */
const HEARTBEATS = 6

async function waitForHeartbeats (t: Test, { redis, gateways }: Stage): Promise<void> {
  const heard = await startMonitor(t, redis.port)
  const countBeats = (gateway: TestGateway): number => {
    const records = `ws:node:${String(gateway.log[0]?.['node'])}`
    // By itself, or along with a renewal.
    const isBeat = (args: readonly string[]): boolean => args[0] === 'evalsha' && args.includes(records) && args.includes('ws:nodes')
    return heard.filter(({ source, args }) => source !== 'lua' && isBeat(args)).length
  }
  await until('each has sent heartbeats', () => gateways.every(gateway => countBeats(gateway) >= HEARTBEATS))
}

t.test('a value of another type in Redis', async (t) => {
  const stage = await setStage(t)
  const { redis: { client: redis }, gateways } = stage
  const [one, other] = gateways as [TestGateway, TestGateway]
  const held = await open(t, stage, one, 'mallory')

  await t.test('at the leases of a user whose socket is open: that user is refused, everybody else let in, also after renewals', async (t) => {
    await redis.set('ws:ratelimit:user:mallory', 'not ours')
    for (let round = 0; round < 2; round++) {
      t.same(await storm(t, stage), { refused: [], mallory: ['unavailable', 'unavailable'] })
      if (round === 0) await one.waitForLog('fault')
    }
    for (const gateway of gateways) {
      const line = await gateway.waitForLog('fault')
      t.match(line, { where: 'redis: evalsha', error: 'WRONGTYPE' })
      t.ok((line['names'] as string[]).includes('ws:ratelimit:user:*'))
      t.ok(countLines(gateway, 'fault') < 5, 'sampled')
      t.equal((await gateway.admin('/readyz')).status, 200)
    }
    held.send({ type: 'ping', id: 'p' })
    t.match(await held.nextOf('pong'), { id: 'p' }, 'the open socket stays')
    expectQuiet(t, stage)
    await redis.del('ws:ratelimit:user:mallory')
  })

  await t.test('at the attempts of an address', async (t) => {
    const from = freshAddress()
    await redis.set(`ws:ratelimit:ip:${from}`, 'not ours')
    t.same(await storm(t, stage, from), { refused: [], mallory: ['unavailable', 'unavailable'] })
    expectQuiet(t, stage)
  })

  await t.test('at the messages of an address: each frame is answered, and the connection goes on to receive', async (t) => {
    const from = freshAddress()
    const client = await open(t, stage, one, 'carol', from)
    await redis.set(`ws:ratelimit:msg:${from}`, 'not ours')
    for (const id of ['1', '2']) {
      client.send({ type: 'ping', id })
      t.match(await client.next(), { type: 'error', id, error: 'unavailable' })
    }
    const neighbour = await open(t, stage, one, 'dave')
    neighbour.send({ type: 'ping', id: 'n' })
    t.match(await neighbour.nextOf('pong'), { id: 'n' })
    await redis.publish('ws:topic:user:carol', JSON.stringify({ event: 'e', data: 1 }))
    t.match(await client.next(), { type: 'event' })
    await redis.del(`ws:ratelimit:msg:${from}`)
    client.send({ type: 'ping', id: '3' })
    t.match(await client.next(), { type: 'pong', id: '3' })
    expectQuiet(t, stage)
  })

  await t.test('at the stream, the strikes, the records, the bans, the orders: what needs them is refused, nothing else is', async (t) => {
    const client = await open(t, stage, one, 'erin')
    for (const key of ['ws:inbound', 'ws:bans', 'ws:control:orders', 'ws:resume-key', 'ws:nodes', `ws:node:${String(one.log[0]?.['node'])}`]) await redis.set(key, 'not ours')
    client.send({ type: 'send', id: 's', to: 'agent:a1', data: 1 })
    t.match(await client.next(), { type: 'error', id: 's', error: 'unavailable' })
    const ban = await one.admin('/v1/bans/198.51.100.1', { method: 'PUT', headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: '{"seconds":60}' })
    t.equal(ban.status, 503)
    const revoked = await one.admin('/v1/revocations', { method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: '{"jti":"j"}' })
    t.equal(revoked.status, 204, 'another set of orders')
    const refused: string[] = []
    for (const gateway of [one, other]) await open(t, stage, gateway, `user-${++users}`).catch((error: unknown) => { refused.push(String(error)) })
    t.same(refused, [])
    await redis.set('ws:strikes:127.99.0.1', 'not ours')
    for (let n = 0; n < 12; n++) await connectRefused(t, one, '/ws?token=noise', { from: '127.99.0.1' })
    // The index is asked about by the gateway whose own records are as they were.
    for (const [gateway, names] of [[one, ['ws:inbound', 'ws:bans', 'ws:node:*', 'ws:strikes:*']], [other, ['ws:nodes']]] as const) {
      for (const name of names) await gateway.waitForLog('fault', line => (line['names'] as string[]).includes(name))
    }
    await waitForHeartbeats(t, stage)
    expectQuiet(t, stage)
  })
})
