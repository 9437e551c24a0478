import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { ensureServer } from '../../scripts/ensure-server.js'
import { startProgram } from './child.js'
import { findFreePort } from '../../scripts/free-port.js'

const TRIES = 5

/**
 * A private Redis that keeps nothing on disk, and a client that looks into it.
 * @param {{ onEnd: (end: () => unknown) => void }} scope
 */
export async function startRedis (scope) {
  const program = ensureServer('redis')
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-redis-'))
  scope.onEnd(() => { rmSync(folder, { recursive: true, force: true }) })
  for (let tries = 0; tries < TRIES; tries++) {
    const port = await findFreePort()
    const child = startProgram(program, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder], {})
    const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => child.ended ? null : 20, maxRetriesPerRequest: null })
    client.on('error', () => {})
    await new Promise((resolve) => { client.once('ready', resolve).once('end', resolve) })
    if (client.status === 'ready') {
      scope.onEnd(async () => {
        client.disconnect()
        await child.stop()
      })
      return { url: `redis://127.0.0.1:${port}`, port, client, pid: child.pid, cpuUs: child.cpuUs, usedCpuUs: () => readUsedCpuUs(client), calls: () => countCalls(client) }
    }
    client.disconnect()
    await child.stop()
  }
  throw new Error('no free port for Redis')
}

/** Calls that only a client makes: what a script does is counted by Redis under the commands' own names. */
const CALLS = { 'script calls': /^cmdstat_(?:evalsha|eval|fcall):calls=(\d+)/gm, '(un)subscribe calls': /^cmdstat_(?:p|s)?(?:un)?subscribe:calls=(\d+)/gm }

/** What Redis itself says that it has used, for what is less than the ticks in which the system counts. @param {Redis} client */
async function readUsedCpuUs (client) {
  const info = await client.info('cpu')
  return ['used_cpu_sys', 'used_cpu_user'].reduce((sum, name) => sum + 1e6 * Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]), 0)
}

/** @param {Redis} client @returns {Promise<Record<string, number>>} */
async function countCalls (client) {
  const info = await client.info('commandstats')
  return Object.fromEntries(Object.entries(CALLS).map(([kind, pattern]) =>
    [kind, [...info.matchAll(pattern)].reduce((total, [, calls]) => total + Number(calls), 0)]))
}
