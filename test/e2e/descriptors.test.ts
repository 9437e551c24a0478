// Descriptors run out: the system's limit on open files is lowered for real.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { connect as connectSocket, type Socket } from 'node:net'
import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust, type Lifetime, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { findFreePort } from '../support/free-port.js'
import { until } from '../support/until.js'

const RAISED = { WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '1000', WS_USER_LEASE_S: '3' }
const SECRETS = { ADMIN_TOKEN: 'admin-token-of-a-test-32-bytes-long' }
/** Node opens a hundred modules at once as it loads the program. */
const LIMIT = 256
/** What the limit leaves for connections. */
const ROOM = 176

/** Sockets that are connected and say nothing. */
async function openSilent (t: Lifetime, port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connectSocket(port, '127.0.0.1').on('error', () => {}))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  // Those that wait to be accepted as the door is shut are reset.
  await Promise.allSettled(sockets.map(async socket => await once(socket, 'connect')))
  return sockets
}

async function openFiles (pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length
}

/** CPU time that a process has used, in ticks of 10 ms. */
async function cpuTicks (pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}

async function metric (gateway: TestGateway, name: string): Promise<number> {
  const text = await (await gateway.admin('/metrics')).text()
  return Number(new RegExp(`^${name}(?:\\{.*\\})? ([\\d.e+]+)$`, 'm').exec(text)?.[1] ?? NaN)
}

t.test('a gateway whose descriptors run out', async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  const env = { ...trust(issuer), ...RAISED, ...SECRETS, REDIS_URL: redis.url, PORT: String(port) }
  const gateway = await startGateway(t, env, { openFiles: LIMIT })
  const token = issuer.sign({ sub: 'alice', agents: ['a1'] })

  await t.test('says at the start that the limit is too low, with both numbers', async (t) => {
    t.match(await gateway.waitForLog('descriptors.few'), { level: 'warn', limit: LIMIT, needed: 50_256, max_connections: ROOM })
  })

  const first = await connect(t, gateway, `/ws?agent_ids=a1&token=${token}`)
  await first.nextOf('subscribed')

  await t.test('refuses upgrades as overloaded before the limit is reached, with a line and a metric', async (t) => {
    const clients = await Promise.all(Array.from({ length: ROOM - 1 }, async () => await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })))
    await t.rejects(connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() }), { message: /503/ })
    t.match(await gateway.waitForLog('connection.refused'), { reason: 'overloaded', detail: 'descriptors' })
    t.equal(await metric(gateway, 'portcullis_descriptor_shortages_total'), 0, 'the port stays open')
    for (const client of clients) client.socket.close()
    await until('they have left', async () => await metric(gateway, 'portcullis_connections') === 1)
  })

  await t.test('closes its door to a flood of silent sockets: nothing spins, and admin port, Redis and the log go on', async (t) => {
    const sockets = await openSilent(t, gateway.port, 2 * LIMIT)
    t.match(await gateway.waitForLog('descriptors.short'), { level: 'error', limit: LIMIT, connections: 1 })
    const readiness = await gateway.admin('/readyz')
    t.match([readiness.status, await readiness.json()], [503, { reasons: ['descriptors'] }], 'nobody comes in')
    t.equal(await metric(gateway, 'portcullis_redis_up'), 1)
    await redis.client.publish('ws:topic:agent:a1', JSON.stringify({ event: 'e', data: 1 }))
    t.match(await first.nextOf('event'), { data: 1 }, 'who was in is served')
    const before = await cpuTicks(gateway.pid)
    const startedAtMs = performance.now()
    await until('half a second has passed', () => performance.now() - startedAtMs > 500)
    const usedMs = (await cpuTicks(gateway.pid) - before) * 10
    t.ok(usedMs < (performance.now() - startedAtMs) / 3, `${usedMs} ms of CPU`)
    for (const socket of sockets) socket.destroy()
    await gateway.waitForLog('descriptors.enough')
    t.equal((await gateway.admin('/readyz')).status, 200)
    const late = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
    t.match(await late.nextOf('welcome'), { user_id: 'alice' })
    t.ok(await metric(gateway, 'portcullis_descriptor_shortages_total') >= 1)
  })
})

t.test('workers whose descriptors run out: ready while one of them takes connections, not ready when none does', async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, REDIS_URL: redis.url, WORKERS: '2', PORT: String(port) }, { openFiles: LIMIT, first: 'supervisor.started' })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  // Whom the one does not take any more, the other does, until both are shut.
  const held: Socket[] = []
  const short = (): Set<unknown> => new Set(gateway.log.filter(({ event }) => event === 'descriptors.short').map(({ node }) => node))
  while (short().size < 2) held.push(...await openSilent(t, port, LIMIT / 2))
  await until('no worker takes connections', async () => {
    const readiness = await gateway.admin('/readyz')
    return readiness.status === 503 && (await readiness.json() as { reasons: string[] }).reasons.includes('descriptors')
  })
  for (const socket of held) socket.destroy()
  await until('it is ready again', async () => (await gateway.admin('/readyz')).status === 200)
})

t.test('a worker for which the system has no process is tried again, with its code in the log, until there is one', async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, ...SECRETS, REDIS_URL: redis.url, WORKERS: '2', PORT: String(port) })
  await gateway.waitForLog('supervisor.started')
  const [victim = 0] = (await readFile(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8')).trim().split(' ').map(Number)
  const limitTo = (files: number): void => { execFileSync('prlimit', [`--pid=${gateway.pid}`, `--nofile=${files}:`]) }
  limitTo(await openFiles(gateway.pid) - 3)
  process.kill(victim, 'SIGKILL')
  const failed = await gateway.waitForLog('worker.fork_failed')
  t.match(failed, { level: 'error', reason: 'EMFILE' })
  await gateway.waitForLog('worker.fork_failed', line => line !== failed && Number(line['restart_in_ms']) > Number(failed['restart_in_ms']))
  limitTo(10_000)
  await gateway.waitForLog('worker.started', line => line['worker'] === failed['worker'] && gateway.log.indexOf(line) > gateway.log.indexOf(failed))
  await until('both are told', async () => {
    const body = await (await gateway.admin('/readyz')).json() as Record<string, unknown>
    return body['status'] === 'ready' && JSON.stringify(body['workers_missing']) === '[]'
  })
})
