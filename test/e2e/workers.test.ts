import { readFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { findFreePort, runGateway, startGateway, trust, type Lifetime, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const RAISED = { WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '1000' }

/** Which worker a process name belongs to: `<host>-<worker>-<boot>`. */
const workerOf = (node: unknown): string => String(node).split('-').at(-2) ?? ''

type Client = Awaited<ReturnType<typeof connect>>

/** A client of each worker. */
async function connectToBoth (t: Lifetime, gateway: TestGateway, token: string): Promise<Map<string, Client>> {
  const clients = new Map<string, Client>()
  // The kernel deals connections out by hash: a few dozen reach both.
  for (let n = 0; n < 200 && clients.size < 2; n++) {
    const client = await connect(t, gateway, `/ws?agent_ids=a1&token=${token}`, { from: freshAddress() })
    clients.set(workerOf((await client.nextOf('welcome'))['node']), client)
    await client.nextOf('subscribed')
  }
  return clients
}

t.test('two workers on one port', { timeout: 120_000 }, async (t) => {
  const [redis, issuer, folder, port] = await Promise.all([startRedis(t), startIssuer(t), mkdtemp(join(tmpdir(), 'portcullis-workers-')), findFreePort()])
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'logs', 'portcullis.log')
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, REDIS_URL: redis.url, WORKERS: '2', PORT: String(port), LOG_FILE: file, NODE_ID: 'host' })
  await gateway.waitForLog('supervisor.started')
  await until('both workers have keys', () => {
    const loaded = gateway.log.filter(line => line.event === 'jwks.refreshed').map(line => workerOf(line['node']))
    return new Set(loaded).size === 2
  })
  const token = issuer.sign({ sub: 'alice', agents: ['a1'] })
  const clients = await connectToBoth(t, gateway, token)

  await t.test('both take connections, and an event reaches the sockets of each once', async (t) => {
    t.same([...clients.keys()].sort(), ['1', '2'])
    await redis.client.publish('ws:topic:agent:a1', JSON.stringify({ event: 'e', data: 1 }))
    for (const client of clients.values()) {
      t.match(await client.next(), { type: 'event', topic: 'agent:a1', data: 1 })
      client.send({ type: 'ping' })
      t.equal((await client.next()).type, 'pong', 'no second copy')
    }
  })

  await t.test('metrics and logs say which worker it was', async (t) => {
    const metrics = await (await gateway.admin('/metrics')).text()
    for (const worker of ['1', '2']) {
      t.match(metrics, new RegExp(`^portcullis_connections\\{worker="${worker}"\\} [1-9]`, 'm'))
      t.ok(gateway.log.some(line => line.event === 'connection.accepted' && line['node'] !== undefined && workerOf(line['node']) === worker))
    }
    t.equal((await gateway.admin('/readyz')).status, 200)
  })

  await t.test('a worker that dies is started again; the sockets of the other stay', async (t) => {
    const dead = clients.get('1')
    const staying = clients.get('2')
    const pid = await findWorker(gateway.pid, 1)
    process.kill(pid, 'SIGKILL')
    t.equal((await dead?.closed)?.code, 1006)
    await gateway.waitForLog('worker.exited', line => line['worker'] === 1 && line['signal'] === 'SIGKILL')
    await gateway.waitForLog('worker.started', line => line['worker'] === 1 && gateway.log.indexOf(line) > gateway.log.findIndex(other => other.event === 'worker.exited'), 60_000)
    staying?.send({ type: 'ping' })
    t.equal((await staying?.next())?.type, 'pong')
  })

  await t.test('SIGTERM drains all of them and ends with 0; one process wrote the log file, every line of it', async (t) => {
    const client = clients.get('2')
    gateway.signal('SIGTERM')
    t.equal((await client?.closed)?.code, 1012)
    t.equal(await gateway.exited, 0)
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    t.same(lines.map(line => JSON.parse(line) as unknown), gateway.log, 'the file has what standard output had')
    const accepted = gateway.log.filter(line => line.event === 'connection.accepted' && workerOf(line['node']) === '2').length
    const closed = gateway.log.filter(line => line.event === 'connection.closed' && workerOf(line['node']) === '2').length
    t.equal(closed, accepted)
  })
})

t.test('workers do not outlive their supervisor', { timeout: 120_000 }, async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WORKERS: '2', PORT: String(port) })
  await gateway.waitForLog('supervisor.started')
  const pids = await Promise.all([findWorker(gateway.pid, 1), findWorker(gateway.pid, 2)])
  gateway.signal('SIGKILL')
  await until('both workers have ended', () => pids.every((pid) => { try { return !process.kill(pid, 0) } catch { return true } }))
  t.pass('both ended by themselves')
})

t.test('a port that somebody else has is a sentence and exit 1, not a silent sharing', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const holder = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const { code, stderr } = await runGateway({ ...trust(issuer), HOST: '127.0.0.1', ADMIN_PORT: '0', REDIS_URL: redis.url, WORKERS: '2', PORT: String(holder.port) })
  t.equal(code, 1)
  t.match(stderr, /cannot listen on 127\.0\.0\.1:\d+/)
  t.notMatch(stderr, / {4}at /)
})

/** The process id of a worker, found by the variable that its supervisor gave it. */
async function findWorker (supervisor: number, number: number): Promise<number> {
  const children = (await readFile(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8')).trim().split(' ').map(Number)
  for (const pid of children) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
    if (environment.includes(`PORTCULLIS_WORKER=${number}\0`)) return pid
  }
  throw new Error(`worker ${number} is not there`)
}
