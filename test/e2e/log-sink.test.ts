import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { trust } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { freshMetrics } from '../support/metrics.js'

/** A gateway whose standard output the test does not read. */
interface Unread {
  readonly child: ChildProcess
  readonly issuer: TestIssuer
  url (path: string): string
  dropped (): Promise<number>
  residentBytes (): Promise<number>
}

const START_MS = 120_000

/** `fileBlocks`: no file of it may grow beyond so many times 512 bytes. */
async function startUnread (
  t: Test, stdout: 'pipe' | number, env: Record<string, string> = {}, fileBlocks: number | 'unlimited' = 'unlimited'
): Promise<Unread> {
  const [issuer, port, adminPort] = await Promise.all([startIssuer(t), findFreePort(), findFreePort()])
  const child = spawn('sh', ['-c', `ulimit -f ${fileBlocks}; exec "$@"`, 'sh', process.execPath, 'dist/main.js'], {
    stdio: ['ignore', stdout, 'ignore'],
    env: {
      PATH: process.env['PATH'] ?? '', WS_WARM_UP: 'false', ...trust(issuer), HOST: '127.0.0.1', PORT: String(port), ADMIN_PORT: String(adminPort), WS_DRAIN_SECONDS: '1', ...env
    }
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const admin = async (path: string): Promise<Response> => await fetch(`http://127.0.0.1:${adminPort}${path}`)
  let said = ''
  await until('it is ready', async () => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended: ${child.exitCode ?? child.signalCode}`)
    const response = await admin('/readyz').catch((error: Error) => { said = `${error.message}: ${String(error.cause)}` })
    if (response === undefined) return false
    said = `${response.status} ${await response.text()}`
    return response.ok
  }, START_MS).catch((error: Error) => { throw new Error(`${error.message}; it said last: ${said}`) })
  const metric = async (name: string): Promise<number> => {
    const line = (await freshMetrics(admin)).split('\n').find(each => each.startsWith(`${name} `)) ?? ''
    return Number(line.slice(name.length + 1))
  }
  return {
    child,
    issuer,
    url: path => `ws://127.0.0.1:${port}${path}`,
    dropped: async () => await metric('portcullis_audit_dropped_total'),
    residentBytes: async () => await metric('process_resident_memory_bytes')
  }
}

async function open (t: Test, gateway: Unread): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${gateway.issuer.sign()}`, { from: freshAddress() })
  await client.nextOf('welcome')
  return client
}

/** Has so many attempts refused, each of which has its line. */
async function makeLines (t: Test, gateway: Unread, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, async () => await connectRefused(t, gateway, '/ws', { from: freshAddress() })))
}

async function expectService (t: Test, gateway: Unread, client: TestClient): Promise<void> {
  client.send({ type: 'ping' })
  await client.nextOf('pong')
  const another = await open(t, gateway)
  another.socket.terminate()
}

/** It ends by itself, with 0, though what it still has to say cannot be said. */
async function expectEnd (t: Test, { child }: Unread): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  t.same(await exited, [0, null])
}

t.test('nobody reads standard output', async (t) => {
  const gateway = await startUnread(t, 'pipe')
  gateway.child.stdout?.pause()
  const client = await open(t, gateway)
  const before = await gateway.residentBytes()
  for (let round = 0; round < 10; round++) await makeLines(t, gateway, 100)
  await expectService(t, gateway, client)
  t.ok(await gateway.residentBytes() - before < 100_000_000)
  await expectEnd(t, gateway)
})

t.test('whoever read standard output has gone: drops are counted, and traffic goes on', async (t) => {
  const gateway = await startUnread(t, 'pipe')
  const client = await open(t, gateway)
  gateway.child.stdout?.destroy()
  await until('drops are counted', async () => {
    await makeLines(t, gateway, 5)
    return await gateway.dropped() >= 10
  })
  await expectService(t, gateway, client)
  await expectEnd(t, gateway)
})

t.test('standard output is a full device: drops are counted, and traffic goes on', async (t) => {
  const descriptor = openSync('/dev/full', 'w')
  const gateway = await startUnread(t, descriptor)
  closeSync(descriptor)
  const client = await open(t, gateway)
  await until('drops are counted', async () => {
    await makeLines(t, gateway, 5)
    return await gateway.dropped() >= 10
  })
  await expectService(t, gateway, client)
  await expectEnd(t, gateway)
})

t.test('the log file', async (t) => {
  const folder = join(t.testdir(), 'logs')
  const file = join(folder, 'portcullis.log')
  // 16 KiB, and then it is as if the disk were full.
  const gateway = await startUnread(t, 'pipe', { LOG_FILE: file }, 32)
  gateway.child.stdout?.resume()
  const client = await open(t, gateway)

  await t.test('has no room left: drops are counted, and traffic goes on', async (t) => {
    await until('drops are counted', async () => {
      await makeLines(t, gateway, 20)
      return await gateway.dropped() >= 10
    })
    await expectService(t, gateway, client)
  })

  await t.test('is removed with its folder: both are made again', async (t) => {
    await rm(folder, { recursive: true })
    await until('it is written again', async () => {
      await makeLines(t, gateway, 1)
      return await stat(file).then(({ size }) => size > 0, () => false)
    })
    await expectService(t, gateway, client)
  })

  await t.test('cannot be made, as something else is in the way: traffic goes on', async (t) => {
    await rm(folder, { recursive: true })
    await mkdir(file, { recursive: true })
    await makeLines(t, gateway, 5)
    await expectService(t, gateway, client)
    await expectEnd(t, gateway)
  })
})
