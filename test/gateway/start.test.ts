import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import { createGateway, type Gateway } from '../../src/gateway/create-gateway.js'
import type { GatewayExtras, GatewaySettings } from '../../src/gateway/gateway-options.js'
import { startPostgres } from '../support/postgres.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { findFreePort } from '../support/free-port.js'
import { until } from '../support/until.js'
import { watchResources, type OpenResources } from './open-resources.js'
import { createTestTokens } from './test-parts.js'

const LEAST = { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'gateway', HOST: '127.0.0.1' }

interface Attempt {
  readonly gateway: Gateway
  readonly settings: GatewaySettings & { readonly PORT: string, readonly ADMIN_PORT: string }
  readonly lines: string[]
  readonly resources: OpenResources
  /** What kept this process alive before the gateway was made, and right after. */
  readonly active: readonly [string[], string[]]
}

/** A gateway on two free ports, or on those given, that is not started. */
async function prepare (t: Test, more: Record<string, string> = {}, extras: GatewayExtras = {}): Promise<Attempt> {
  const settings = { ...LEAST, PORT: String(await findFreePort()), ADMIN_PORT: String(await findFreePort()), ...more }
  const lines: string[] = []
  const resources = watchResources(t)
  const log = { write: (line: string) => { lines.push(line) } }
  const before = process.getActiveResourcesInfo()
  const gateway = createGateway({ settings, log, development: true, parts: { tokens: createTestTokens() }, ...extras })
  return { gateway, settings, lines, resources, active: [before, process.getActiveResourcesInfo()] }
}

async function take (t: Test): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return String((server.address() as AddressInfo).port)
}

/** Rejects when somebody else has it. */
async function expectFree (port: string): Promise<void> {
  const server = createServer().listen(Number(port), '127.0.0.1')
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
}

/** Nothing that the gateway opened is open any more, and these ports are free. */
async function expectNothingOpen ({ resources }: Attempt, ...ports: string[]): Promise<void> {
  await until('all is closed', () => resources.open().length === 0).catch(() => { throw new Error(`open: ${resources.open().join(', ')}`) })
  for (const port of ports) await expectFree(port)
}

async function countConnections ({ client }: TestRedis): Promise<number> {
  return String(await client.client('LIST')).split('\n').filter(line => line.includes('name=portcullis')).length
}

t.test('before the start nothing runs: no timer, no socket, no file, no thread; one that is never started is forgotten', async (t) => {
  const redis = await startRedis(t)
  await countConnections(redis)
  const attempt = await prepare(t, { REDIS_URL: redis.url, LOG_FILE: `${t.testdir({})}/portcullis.log`, WS_BAN_AFTER: '3' })
  const opened = attempt.resources.open()
  t.same(opened, [])
  t.same(attempt.active[1], attempt.active[0])
  t.equal(await countConnections(redis), 0)
  t.throws(() => attempt.gateway.operations, /not started/)
  t.throws(() => { attempt.gateway.reload() }, /not started/)
  await attempt.gateway.stop('never started')
  t.same(attempt.lines, [])
  await t.rejects(attempt.gateway.start(), /stopped before/)
  await expectNothingOpen(attempt, attempt.settings.PORT, attempt.settings.ADMIN_PORT)
})

t.test('settings that are wrong are named before anything is opened', async (t) => {
  t.throws(() => createGateway({ settings: { PORT: 'seventy' } }), /PORT: must be a whole number/)
  const { REDIS_URL, ...several } = { ...LEAST, REDIS_URL: 'redis://127.0.0.1', WORKERS: '2' }
  t.throws(() => createGateway({ settings: { ...several, REDIS_URL } }), /WORKERS: /)
})

t.test('a whole life leaves nothing open, and the gateway is started once', async (t) => {
  const redis = await startRedis(t)
  const attempt = await prepare(t, { REDIS_URL: redis.url })
  const ports = await attempt.gateway.start()
  t.same(ports, { port: Number(attempt.settings.PORT), adminPort: Number(attempt.settings.ADMIN_PORT) })
  t.ok(await countConnections(redis) > 0)
  await t.rejects(attempt.gateway.start(), /started once/)
  t.ok(attempt.gateway.operations.readiness())
  await attempt.gateway.stop('over')
  t.same(attempt.lines.map(line => (JSON.parse(line) as { event: string }).event), ['server.started', 'server.draining', 'server.stopped'])
  await expectNothingOpen(attempt, attempt.settings.PORT, attempt.settings.ADMIN_PORT)
  await until('Redis has nobody left', async () => await countConnections(redis) === 0)
})

t.test('a start that fails', async (t) => {
  const redis = await startRedis(t)
  await countConnections(redis)

  /** Starts, and expects this error, no line that says started or stopped, and nothing left of it. */
  async function expectFailure (t: Test, attempt: Attempt, error: RegExp, ...free: string[]): Promise<void> {
    await t.rejects(attempt.gateway.start(), error)
    t.notMatch(attempt.lines.join(''), /server\.(started|draining|stopped)/)
    await expectNothingOpen(attempt, ...free)
    await until('Redis has nobody left', async () => await countConnections(redis) === 0)
    await attempt.gateway.stop('after that')
    t.notMatch(attempt.lines.join(''), /server\.(started|draining|stopped)/)
  }

  await t.test('at a Redis URL that cannot be read', async (t) => {
    const config = loadConfig({ ...LEAST, PORT: '0', ADMIN_PORT: '0' })
    const resources = watchResources(t)
    const lines: string[] = []
    const gateway = createGateway({
      config: { ...config, redis: { url: 'redis://[', clusterUrls: [], sentinel: null, prefix: '' } }, log: { write: (line) => { lines.push(line) } }
    })
    await expectFailure(t, { gateway, lines, resources, settings: { PORT: '0', ADMIN_PORT: '0' }, active: [[], []] }, /a Redis URL cannot be read/)
  })

  await t.test('at a database that would not protect its rows', async (t) => {
    const { adminUrl } = await startPostgres(t)
    const attempt = await prepare(t, { REDIS_URL: redis.url, WS_AUTHORIZER: 'postgres', DATABASE_URL: adminUrl, WS_UPGRADE_DEADLINE_MS: '30000' })
    await expectFailure(t, attempt, /WS_AUTHORIZER=postgres: .*superuser/s, attempt.settings.PORT, attempt.settings.ADMIN_PORT)
  })

  await t.test('at an admin port that is taken', async (t) => {
    const attempt = await prepare(t, { REDIS_URL: redis.url, ADMIN_PORT: await take(t) })
    await expectFailure(t, attempt, /cannot listen on 127\.0\.0\.1:\d+ for the admin port: EADDRINUSE/, attempt.settings.PORT)
  })

  await t.test('at a main port that is taken', async (t) => {
    const attempt = await prepare(t, { REDIS_URL: redis.url, PORT: await take(t) })
    await expectFailure(t, attempt, /cannot listen on 127\.0\.0\.1:\d+: the address is taken or not ours/, attempt.settings.ADMIN_PORT)
  })

  await t.test('at a part of the program that throws', async (t) => {
    const attempt = await prepare(t, { REDIS_URL: redis.url }, {
      parts: { tokens: createTestTokens(), bus: () => { throw new Error('no bus today') } }
    })
    await expectFailure(t, attempt, /no bus today/, attempt.settings.PORT, attempt.settings.ADMIN_PORT)
  })
})

t.test('a log file that cannot be written stops no start, and leaves nothing open either', async (t) => {
  const wrote: string[] = []
  t.intercept(process.stderr, 'write', { value: (text: string) => { wrote.push(text); return true } })
  const attempt = await prepare(t, { LOG_FILE: '/dev/null/portcullis.log' })
  await attempt.gateway.start()
  await until('it is told', () => wrote.join('').length > 0)
  await attempt.gateway.stop('over')
  t.match(wrote.join(''), /cannot write the log file \/dev\/null\/portcullis\.log/)
  t.match(attempt.lines.join(''), /server\.stopped/)
  await expectNothingOpen(attempt, attempt.settings.PORT, attempt.settings.ADMIN_PORT)
})

t.test('one that is stopped while it starts rejects clearly, after everything is closed', async (t) => {
  const redis = await startRedis(t)
  redis.pause()
  // A worker waits for the revocations for as long as Redis is silent.
  const attempt = await prepare(t, { REDIS_URL: redis.url }, { worker: 2 })
  const started = t.rejects(attempt.gateway.start(), /stopped before it took connections/)
  await until('it waits', () => attempt.lines.some(line => line.includes('worker.waiting')))
  await attempt.gateway.stop('SIGTERM')
  await started
  t.match(attempt.lines.join(''), /server\.draining.*server\.stopped/s)
  t.notMatch(attempt.lines.join(''), /server\.started/)
  await expectNothingOpen(attempt, attempt.settings.PORT)
})

/** Whether somebody listens there. */
async function isOpen (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const opened = await new Promise<boolean>((resolve) => { socket.once('connect', () => { resolve(true) }).once('error', () => { resolve(false) }) })
  socket.destroy()
  return opened
}

t.test('a process listens while it warms up and is not ready yet; a worker whose others serve warms up first', async (t) => {
  const cases = [['alone', {}, true], ['a worker of a start', { worker: 1 }, true], ['one that comes back', { worker: 1, othersServe: true }, false]] as const
  for (const [name, extras, listens] of cases) {
    const port = await findFreePort()
    let finish = (): void => {}
    const visits = new Promise<void>((resolve) => { finish = resolve })
    let asked = (): void => {}
    const warming = new Promise<void>((resolve) => { asked = resolve })
    const attempt = await prepare(t, { PORT: String(port) }, {
      ...extras,
      async warmUp () {
        asked()
        await visits
      }
    })
    const started = attempt.gateway.start()
    await warming
    if (listens) await started
    t.equal(await isOpen(port), listens, name)
    t.equal(attempt.gateway.operations.readiness().ready, false, name)
    finish()
    await started
    await until('it is ready', () => attempt.gateway.operations.readiness().ready)
    t.ok(await isOpen(port), name)
    await attempt.gateway.stop('over')
  }
})
