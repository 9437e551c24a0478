import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { runGateway, startGateway, trust, type Lifetime, type LogLine, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { findWorker, isWorker, workerOf } from '../support/workers.js'
import { freshMetrics } from '../support/metrics.js'

// Most of the time here is spent waiting for processes.
t.jobs = 2

const RAISED = { WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '1000' }

const SECRETS = { ADMIN_TOKEN: 'admin-token-of-a-test-32-bytes-long', PUBLISH_KEY: 'publish-key-of-a-test-32-bytes-long' }

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

t.test('two workers on one port', { buffered: true }, async (t) => {
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
    const metrics = await freshMetrics(gateway.admin)
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
    await gateway.waitForLog('worker.started', line => line['worker'] === 1 && gateway.log.indexOf(line) > gateway.log.findIndex(other => other.event === 'worker.exited'))
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

t.test('workers do not outlive their supervisor', { buffered: true }, async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WORKERS: '2', PORT: String(port) })
  await gateway.waitForLog('supervisor.started')
  const pids = await Promise.all([findWorker(gateway.pid, 1), findWorker(gateway.pid, 2)])
  gateway.signal('SIGKILL')
  await until('both workers have ended', () => pids.every((pid) => { try { return !process.kill(pid, 0) } catch { return true } }))
  t.pass('both ended by themselves')
})

t.test('a worker that hangs', { buffered: true }, async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, ...SECRETS, REDIS_URL: redis.url, WORKERS: '2', PORT: String(port) })
  await gateway.waitForLog('supervisor.started')
  for (const worker of ['1', '2']) await gateway.waitForLog('jwks.refreshed', line => workerOf(line['node']) === worker)
  const clients = await connectToBoth(t, gateway, issuer.sign({ sub: 'alice', agents: ['a1'] }))
  const live = clients.get('2')
  const stopped = await findWorker(gateway.pid, 1)
  process.kill(stopped, 'SIGSTOP')
  // Without its supervisor nobody would end a process that is stopped.
  t.teardown(async () => { if (await isWorker(stopped)) process.kill(stopped, 'SIGKILL') })

  await t.test('takes neither the admin port nor the probes with it', async (t) => {
    const publish = { method: 'POST', headers: { 'X-Publish-Key': SECRETS.PUBLISH_KEY }, body: JSON.stringify({ topic: 'agent:a1', event: 'e', data: 1 }) }
    const asOperator = async (method: string, path: string, body?: unknown): Promise<Response> => {
      const headers = { Authorization: `Bearer ${SECRETS.ADMIN_TOKEN}` }
      return await gateway.admin(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    }
    t.equal((await gateway.admin('/v1/publish', publish)).status, 202)
    t.match(await live?.next(), { type: 'event', topic: 'agent:a1', data: 1 })
    live?.send({ type: 'ping' })
    t.equal((await live?.next())?.type, 'pong', 'no second copy')
    const list = await asOperator('GET', '/v1/connections?user_id=alice')
    t.equal(list.status, 200)
    const { connections } = await list.json() as { connections: Array<{ node: string }> }
    t.ok(connections.some(({ node }) => workerOf(node) === '2'))
    t.equal((await asOperator('POST', '/v1/recheck')).status, 204)
    t.equal((await asOperator('POST', '/v1/revocations', { jti: 'nobody' })).status, 204)
    t.equal((await asOperator('PUT', '/v1/bans/127.200.0.1', { seconds: 60 })).status, 204)
    t.equal((await gateway.admin('/readyz')).status, 200)
    t.match(await freshMetrics(gateway.admin), /^portcullis_connections\{worker="2"\} [1-9]/m)
    t.equal((await asOperator('DELETE', '/v1/users/alice/connections')).status, 204)
    t.equal((await live?.closed)?.code, 4403)
    t.notOk(gateway.log.some(line => line.event === 'worker.hung'), 'all of that while it hung')
  })

  await t.test('is ended and started again; the other is not', async (t) => {
    t.match(await gateway.waitForLog('worker.hung'), { worker: 1, level: 'error' })
    await gateway.waitForLog('worker.exited', line => line['worker'] === 1 && line['signal'] === 'SIGKILL')
    const isAfter = (line: LogLine): boolean => gateway.log.indexOf(line) > gateway.log.findIndex(other => other.event === 'worker.exited')
    await gateway.waitForLog('worker.started', line => line['worker'] === 1 && isAfter(line))
    t.equal(gateway.log.filter(line => line.event === 'worker.hung' || line.event === 'worker.exited').length, 2)
    gateway.signal('SIGTERM')
    t.equal(await gateway.exited, 0)
  })
})

t.test('a worker that has never loaded the revocations', { buffered: true }, async (t) => {
  const [redis, issuer, port] = await Promise.all([
    startRedis(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] }), startIssuer(t), findFreePort()
  ])
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, ...SECRETS, REDIS_URL: redis.url, WORKERS: '2', PORT: String(port) })
  await gateway.waitForLog('supervisor.started')
  for (const worker of ['1', '2']) await gateway.waitForLog('jwks.refreshed', line => workerOf(line['node']) === worker)
  const revoked = issuer.sign({ sub: 'alice', jti: 'stolen' })
  const headers = { Authorization: `Bearer ${SECRETS.ADMIN_TOKEN}` }
  t.equal((await gateway.admin('/v1/revocations', { method: 'POST', headers, body: JSON.stringify({ jti: 'stolen' }) })).status, 204)
  /** Enough attempts that the kernel deals some to each process that listens. */
  const tryRevoked = async (): Promise<string[]> => {
    const answers = await Promise.all(Array.from({ length: 40 }, async () => await connect(t, gateway, `/ws?token=${revoked}`, { from: freshAddress() })
      .then(() => 'accepted', (error: unknown) => String(error))))
    return [...new Set(answers)]
  }
  /** Kills worker 1 and resolves with the line in which the next one says that it waits. */
  const replaceByWaiting = async (): Promise<LogLine> => {
    const before = gateway.log.length
    process.kill(await findWorker(gateway.pid, 1), 'SIGKILL')
    return await gateway.waitForLog('worker.waiting', line => gateway.log.indexOf(line) >= before)
  }
  await until('both workers know of it', async () => (await tryRevoked()).join() === 'Error: refused: 401')

  await t.test('takes no connection while Redis is away; the others go on, and go on refusing', async (t) => {
    await redis.stop()
    await replaceByWaiting()
    t.same(await tryRevoked(), ['Error: refused: 401'])
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'bob' })}`, { from: freshAddress() })
    t.equal(workerOf((await client.nextOf('welcome'))['node']), '2')
    t.equal((await gateway.admin('/readyz')).status, 200)
  })

  await t.test('takes connections once Redis is back, and refuses what was revoked before its time', async (t) => {
    const waited = gateway.log.findLastIndex(line => line.event === 'worker.waiting')
    await redis.restart()
    const started = await gateway.waitForLog('server.started', line => gateway.log.indexOf(line) > waited)
    await gateway.waitForLog('jwks.refreshed', line => line['node'] === started['node'])
    t.same(await tryRevoked(), ['Error: refused: 401'])
    await until('the new worker refused some of them', () => gateway.log.some(line => line.event === 'connection.refused' && line['node'] === started['node']))
  })

  await t.test('ends cleanly when it is told to while it waits', async (t) => {
    await redis.stop()
    const { node } = await replaceByWaiting()
    gateway.signal('SIGTERM')
    t.equal(await gateway.exited, 0)
    t.ok(gateway.log.some(line => line.event === 'server.stopped' && line['node'] === node))
    t.notOk(gateway.log.some(line => line.event === 'server.started' && line['node'] === node))
    t.notOk(gateway.log.some(line => line.event === 'fault'))
    t.equal(gateway.stderr(), '')
  })
})

t.test('a port that somebody else has is a sentence and exit 1, not a silent sharing', { buffered: true }, async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const holder = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const { code, stderr } = await runGateway({ ...trust(issuer), HOST: '127.0.0.1', ADMIN_PORT: '0', REDIS_URL: redis.url, WORKERS: '2', PORT: String(holder.port) })
  t.equal(code, 1)
  t.match(stderr, /cannot listen on 127\.0\.0\.1:\d+/)
  t.notMatch(stderr, / {4}at /)
})
