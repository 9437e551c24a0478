import { readFile } from 'node:fs/promises'
import t from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type Lifetime, type LogLine, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'

// Most of the time here is spent waiting for leases to lapse.
t.jobs = 2

const LEASE_MS = 1000
const USERS = ['alice', 'bob', 'carol', 'dave']

interface World { readonly redis: TestRedis, readonly issuer: TestIssuer, readonly env: Readonly<Record<string, string>> }

async function createWorld (t: Parameters<typeof startRedis>[0]): Promise<World> {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  return { redis, issuer, env: { ...trust(issuer), REDIS_URL: redis.url, WS_USER_LEASE_S: String(LEASE_MS / 1000) } }
}

/** Opens connections of several users, five of each, on one gateway; resolves with their ids. */
async function openMany (t: Lifetime, gateway: TestGateway, { issuer }: World, count: number): Promise<string[]> {
  const clients: TestClient[] = []
  for (let n = 0; n < count; n++) {
    const token = issuer.sign({ sub: USERS[n % USERS.length], agents: ['a1'] })
    clients.push(await connect(t, gateway, `/ws?agent_ids=a1&token=${token}`, { from: freshAddress() }))
  }
  return await Promise.all(clients.map(async client => String((await client.nextOf('welcome'))['connection_id'])))
}

const closedLines = (...logs: ReadonlyArray<{ readonly log: readonly LogLine[] }>): LogLine[] =>
  logs.flatMap(({ log }) => log.filter(({ event }) => event === 'connection.closed'))
const idsOf = (lines: readonly LogLine[]): string[] => lines.map(line => String(line['connection_id'])).sort()
const recordKeys = async (redis: TestRedis): Promise<string[]> => (await redis.client.keys('*')).filter(key => key.includes('ws:node:'))

t.test('a process that is killed, and two that survive', { buffered: true }, async (t) => {
  const world = await createWorld(t)
  const { redis, env } = world
  const [dying, ...survivors] = await Promise.all([startGateway(t, env), startGateway(t, env), startGateway(t, env)])
  const ids = await openMany(t, dying, world, 20)
  const lostNode = dying.log[0]?.['node']
  // Survivors that have just come may not judge yet: whoever is killed is killed when they may.
  await until('the heartbeat is known', async () => await redis.client.zcard('ws:nodes') === 3)
  // What a killed process has not written yet goes with it.
  await until('its accepted lines are written', () => dying.log.filter(line => line.event === 'connection.accepted').length >= ids.length)
  const killedAtMs = performance.now()
  dying.signal('SIGKILL')
  await dying.exited

  await t.test('one of them writes one closed line for each of its connections, within two leases', async (t) => {
    await until('every line is written', () => closedLines(...survivors).length >= ids.length)
    const tookMs = performance.now() - killedAtMs
    t.same(idsOf(closedLines(...survivors)), ids.toSorted())
    t.ok(tookMs < 2.5 * LEASE_MS, `${tookMs} ms; half a lease for a busy machine`)
    for (const line of closedLines(...survivors)) {
      t.match(line, { level: 'info', reason: 'node_lost', lost_node: lostNode, issuer: String, path: '/ws' })
      const accepted = dying.log.find(one => one.event === 'connection.accepted' && one['connection_id'] === line['connection_id'])
      t.same(await offenders(['user_id', 'ip', 'issuer', 'path'], field => line[field] === accepted?.[field]), [])
      t.ok(Number(line['duration_ms']) >= 0 && Number(line['duration_ms']) < 60_000)
      t.same(await offenders(['code', 'messages_in', 'messages_out'], field => !(field in line)), [])
    }
  })

  await t.test('its slots are free, its topics gone, and nothing of it is left in Redis but the names of what was claimed, for an hour', async (t) => {
    t.same(await offenders(USERS, async user => await redis.client.zcount(`ws:ratelimit:user:${user}`, Date.now(), '+inf') === 0), [])
    t.same(await redis.client.pubsub('CHANNELS', 'ws:topic:agent:*'), [])
    await until('it is off the index', async () => await redis.client.zscore('ws:nodes', String(lostNode)) === null)
    t.same((await recordKeys(redis)).filter(key => key.includes(String(lostNode))), [`{ws:node:${String(lostNode)}}:claimed`])
    for (const key of await redis.client.keys('*')) {
      if (key.startsWith('ws:node') || key.startsWith('{ws:node')) t.ok(await redis.client.pttl(key) > 0, `${key} has an end`)
    }
  })

  await t.test('their own connections end as ever, with one line; they leave nothing behind', async (t) => {
    const own = await openMany(t, survivors[0], world, 4)
    survivors[0].signal('SIGTERM')
    t.equal(await survivors[0].exited, 0)
    const lines = closedLines(survivors[0]).filter(line => own.includes(String(line['connection_id'])))
    t.same(idsOf(lines), own.toSorted())
    t.same(await offenders(lines, line => line['reason'] === 'restarting'), [])
    survivors[1].signal('SIGTERM')
    t.equal(await survivors[1].exited, 0)
    t.same((await recordKeys(redis)).filter(key => !key.includes(String(lostNode))), [])
    t.equal(await redis.client.zcard('ws:nodes'), 0)
    t.same(closedLines(...survivors).length, ids.length + own.length)
  })
})

t.test('with nobody left, the next start writes the lines', { buffered: true }, async (t) => {
  const world = await createWorld(t)
  const dying = await startGateway(t, world.env)
  const ids = await openMany(t, dying, world, 8)
  dying.signal('SIGKILL')
  await dying.exited
  const next = await startGateway(t, world.env)
  await until('every line is written', () => closedLines(next).length >= ids.length)
  t.same(idsOf(closedLines(next)), ids.toSorted())
  t.same([...new Set(closedLines(next).map(line => line['reason']))], ['node_lost'])
})

t.test('a process that stood still and comes back', { buffered: true }, async (t) => {
  const world = await createWorld(t)
  const [stopped, survivor] = await Promise.all([startGateway(t, world.env), startGateway(t, world.env)])
  const token = world.issuer.sign({ sub: 'erin' })
  const clients = await Promise.all([1, 2, 3, 4].map(async () => await connect(t, stopped, `/ws?token=${token}`, { from: freshAddress() })))
  const ids = await Promise.all(clients.map(async client => String((await client.nextOf('welcome'))['connection_id'])))
  await until('the survivor may judge', async () => await world.redis.client.zcard('ws:nodes') === 2)
  stopped.signal('SIGSTOP')
  await until('the survivor takes it for lost', () => closedLines(survivor).length >= ids.length)
  // Two end while it stands still: it hears of that in the same moment in which it wakes.
  for (const client of clients.slice(0, 2)) client.socket.terminate()
  stopped.signal('SIGCONT')

  await t.test('says so, and writes no second line for what was claimed', async (t) => {
    t.match(await stopped.waitForLog('node.returned'), { level: 'warn', connections: 4 })
    const later = await connect(t, stopped, `/ws?token=${world.issuer.sign({ sub: 'frank' })}`, { from: freshAddress() })
    const laterId = String((await later.nextOf('welcome'))['connection_id'])
    for (const client of clients.slice(2)) {
      client.socket.close()
      await client.closed
    }
    later.socket.close()
    await stopped.waitForLog('connection.closed', line => line['connection_id'] === laterId)
    stopped.signal('SIGTERM')
    t.equal(await stopped.exited, 0)
    t.same(idsOf(closedLines(stopped)), [laterId], 'only that of a connection that came after')
    t.same(idsOf(closedLines(survivor)), ids.toSorted())
  })
})

t.test('a process that stood still, and to which Redis answers later than a call may take, writes no second line', { buffered: true }, async (t) => {
  const world = await createWorld(t)
  const proxy = await startTcpProxy(t, world.redis.port)
  const env = { ...world.env, WS_USER_LEASE_S: '2' }
  const [stopped, survivor] = await Promise.all([
    startGateway(t, { ...env, REDIS_URL: `redis://127.0.0.1:${proxy.port}` }), startGateway(t, env)
  ])
  const token = world.issuer.sign({ sub: 'erin' })
  const clients = await Promise.all([1, 2, 3, 4].map(async () => await connect(t, stopped, `/ws?token=${token}`, { from: freshAddress() })))
  const ids = await Promise.all(clients.map(async client => String((await client.nextOf('welcome'))['connection_id'])))
  await until('the survivor may judge', async () => await world.redis.client.zcard('ws:nodes') === 2)
  stopped.signal('SIGSTOP')
  await until('the survivor takes it for lost', () => closedLines(survivor).length >= ids.length)
  // A call may take a quarter of a lease, and two must be answered within one.
  proxy.delayReplies(600)
  for (const client of clients) client.socket.terminate()
  stopped.signal('SIGCONT')
  t.match(await stopped.waitForLog('node.returned'), { connections: 4 })
  proxy.delayReplies(0)
  stopped.signal('SIGTERM')
  t.equal(await stopped.exited, 0)
  t.same(closedLines(stopped), [], 'each has the line that the survivor wrote')
  t.same(idsOf(closedLines(survivor)), ids.toSorted())
})

t.test('a short stop loses no line', { buffered: true }, async (t) => {
  const world = await createWorld(t)
  const gateway = await startGateway(t, world.env)
  const client = await connect(t, gateway, `/ws?token=${world.issuer.sign({ sub: 'erin' })}`, { from: freshAddress() })
  const id = String((await client.nextOf('welcome'))['connection_id'])
  gateway.signal('SIGSTOP')
  const stoppedAtMs = performance.now()
  await until('nobody is there who could claim', () => performance.now() - stoppedAtMs > 2 * LEASE_MS)
  client.socket.terminate()
  gateway.signal('SIGCONT')
  t.match(await gateway.waitForLog('connection.closed'), { connection_id: id, reason: 'connection_lost' })
  t.equal(closedLines(gateway).length, 1)
  t.notOk(gateway.log.some(({ event }) => event === 'node.returned'))
})

t.test('what Redis has lost is there again for a later crash; what ended while Redis was away is not', { buffered: true }, async (t) => {
  const world = await createWorld(t)
  const { redis } = world
  const dying = await startGateway(t, world.env)
  const token = world.issuer.sign({ sub: 'erin' })
  const ending = await connect(t, dying, `/ws?token=${token}`, { from: freshAddress() })
  await ending.nextOf('welcome')
  const ids = await openMany(t, dying, world, 8)
  await redis.stop()
  ending.socket.close()
  await dying.waitForLog('connection.closed')
  await redis.restart()
  await until('every record is there again', async () => {
    const [key = ''] = await redis.client.keys('ws:node:*')
    return await redis.client.hlen(key) === ids.length + 1
  })
  await until('it is on the index again', async () => await redis.client.zcard('ws:nodes') === 1)
  dying.signal('SIGKILL')
  await dying.exited
  const next = await startGateway(t, world.env)
  await until('every line is written', () => closedLines(next).length >= ids.length)
  t.same(idsOf(closedLines(next)), ids.toSorted())
})

t.test('a worker that is killed under its supervisor has its lines written by another', { buffered: true }, async (t) => {
  const world = await createWorld(t)
  const port = await findFreePort()
  const gateway = await startGateway(t, { ...world.env, WORKERS: '2', PORT: String(port) })
  await gateway.waitForLog('supervisor.started')
  const workerOf = (node: unknown): string => String(node).split('-').at(-2) ?? ''
  for (const worker of ['1', '2']) await gateway.waitForLog('jwks.refreshed', line => workerOf(line['node']) === worker)
  await openMany(t, gateway, world, 20)
  await until('every accepted line has come through the pipe', () => gateway.log.filter(({ event }) => event === 'connection.accepted').length === 20)
  const accepted = gateway.log.filter(({ event, node }) => event === 'connection.accepted' && workerOf(node) === '1')
  t.ok(accepted.length > 0, 'the kernel dealt some to the first worker')
  process.kill(await findWorker(gateway.pid, 1), 'SIGKILL')
  await until('every line is written', () => closedLines(gateway).length >= accepted.length)
  t.same(idsOf(closedLines(gateway)), idsOf(accepted))
  t.same([...new Set(closedLines(gateway).map(line => line['reason']))], ['node_lost'])
  gateway.signal('SIGTERM')
  t.equal(await gateway.exited, 0)
  t.equal(closedLines(gateway).length, 20, 'one for each connection')
})

/** The process id of a worker, found by the variable that its supervisor gave it. */
async function findWorker (supervisor: number, number: number): Promise<number> {
  const children = (await readFile(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8')).trim().split(' ').map(Number)
  for (const pid of children) {
    if ((await readFile(`/proc/${pid}/environ`, 'utf8')).includes(`PORTCULLIS_WORKER=${number}\0`)) return pid
  }
  throw new Error(`worker ${number} is not there`)
}
