import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from '#ioredis'
import type { Test } from 'tap'
import { ensureServer } from './ensure-server.js'
import { findFreePort } from './free-port.js'
import { until } from './until.js'

/** The name under which these Sentinels watch the master. */
export const MASTER = 'main'

export interface TestSentinels {
  /** As in REDIS_SENTINELS. */
  readonly addresses: readonly string[]
  readonly clients: readonly Redis[]
  /** Makes the replica the master as an operator does; resolves when the Sentinels have begun to. */
  failOver (): Promise<void>
  /** Ends the one at this place for good, as a crash would. */
  end (place: number): Promise<void>
  /** Resolves when all name this port as the master's. */
  untilMasterIs (port: number): Promise<void>
}

async function launch (folder: string, port: number, masterPort: number, password: string): Promise<ChildProcess> {
  const file = join(folder, `${port}.conf`)
  await writeFile(file, [
    `port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, `requirepass ${password}`, `sentinel sentinel-pass ${password}`,
    `sentinel monitor ${MASTER} 127.0.0.1 ${masterPort} 2`, `sentinel down-after-milliseconds ${MASTER} 1000`, `sentinel failover-timeout ${MASTER} 3000`, ''
  ].join('\n'))
  const child = spawn(ensureServer('redis'), [file, '--sentinel'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const killNow = (): void => { child.kill('SIGKILL') }
  process.once('exit', killNow)
  child.once('exit', () => process.removeListener('exit', killNow))
  let output = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('+monitor master')) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => { reject(new Error(`a Sentinel ended with ${String(code)}: ${output}`)) })
  })
  return child
}

/** Starts three Sentinels that watch this master with its one replica, and waits until they know all of each other. */
export async function startSentinels (t: Test, masterPort: number, password: string): Promise<TestSentinels> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-sentinel-'))
  const ports: number[] = []
  for (let i = 0; i < 3; i++) ports.push(await findFreePort())
  const children = await Promise.all(ports.map(async port => await launch(folder, port, masterPort, password)))
  const clients = ports.map(port => new Redis({ host: '127.0.0.1', port, password, enableReadyCheck: false }))
  t.teardown(async () => {
    for (const client of clients) client.disconnect()
    for (const child of children) await end(child)
    await rm(folder, { recursive: true, force: true })
  })
  await untilAllKnow(clients)
  return {
    addresses: ports.map(port => `127.0.0.1:${port}`),
    clients,
    async failOver () {
      await untilAllKnow(clients)
      await until('a fail-over is accepted', async () => await clients[0]?.call('SENTINEL', 'FAILOVER', MASTER).then(() => true, () => false) ?? false)
    },
    async end (place) {
      const child = children[place]
      if (child !== undefined) await end(child)
    },
    async untilMasterIs (port) {
      await until(`the master is at ${port}`, async () => {
        const named = await Promise.all(clients.map(async client => await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER) as string[]))
        return named.every(([, at]) => Number(at) === port)
      })
    }
  }
}

async function end (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function untilAllKnow (clients: readonly Redis[]): Promise<void> {
  await until('each Sentinel knows the others and the replica', async () => {
    const answers = await Promise.all(clients.map(async client => await client.call('SENTINEL', 'MASTER', MASTER) as string[]))
    return answers.every((fields) => {
      const field = (name: string): number => Number(fields[fields.indexOf(name) + 1])
      return field('num-other-sentinels') === clients.length - 1 && field('num-slaves') >= 1
    })
  })
}
