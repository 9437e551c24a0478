import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { ensureServer } from '../../scripts/ensure-server.js'
import { findFreePort } from '../../scripts/free-port.js'
import { endProcess, sleep, startProcess } from './processes.js'

const START_MS = 20_000
const DUMP = 'dump.rdb'
/** With a rule like this Redis saves as it ends in an orderly way, and in practice at no other time. */
const NEVER_BY_ITSELF = '86400 1000000000'

/** @param {import('node:child_process').ChildProcess} child */
async function untilReady (child) {
  let output = ''
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => { reject(new Error(`Redis is not ready: ${output.slice(-2000)}`)) }, START_MS)
    const read = (part) => {
      if (!output.includes('Ready to accept connections')) output = (output + part).slice(-20_000)
      if (!output.includes('Ready to accept connections')) return
      clearTimeout(timer)
      resolve()
    }
    child.stdout.setEncoding('utf8').on('data', read)
    child.stderr.setEncoding('utf8').on('data', read)
    child.once('exit', () => {
      clearTimeout(timer)
      reject(new Error(`Redis has ended: ${output.slice(-2000)}`))
    })
  })
}

/**
 * A private Redis that fails as it is told. Every fault resolves when Redis is up again; one at a time.
 * @param {import('./steadiness.js').Steadiness} steadiness
 */
export async function startRedis (steadiness) {
  const program = ensureServer('redis')
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-chaos-'))
  process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })
  const port = await findFreePort()
  const launch = async () => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--dbfilename', DUMP, '--save', NEVER_BY_ITSELF]
    const child = startProcess(program, args, {})
    await untilReady(child)
    return child
  }
  let child = await launch()
  const client = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => { /* outages are what this is about */ })
  let busy = Promise.resolve()

  /** @param {string} kind @param {() => Promise<void>} fault */
  const unsteadily = async (kind, fault) => {
    const end = steadiness.begin(kind)
    try {
      await fault()
    } finally {
      end()
    }
  }
  const faults = {
    redis_hang: async (forMs) => await unsteadily('redis_hang', async () => {
      child.kill('SIGSTOP')
      await sleep(forMs)
      child.kill('SIGCONT')
    }),
    redis_restart_empty: async (forMs) => await unsteadily('redis_restart_empty', async () => {
      await endProcess(child)
      rmSync(join(folder, DUMP), { force: true })
      await sleep(forMs)
      child = await launch()
    }),
    redis_restart_with_data: async (forMs) => await unsteadily('redis_restart_with_data', async () => {
      const gone = new Promise((resolve) => { child.once('exit', resolve) })
      // Saves and ends in one step: nothing that was answered is lost.
      child.kill('SIGTERM')
      await gone
      await sleep(forMs)
      child = await launch()
    }),
    redis_read_only: async (forMs) => await unsteadily('redis_read_only', async () => {
      // A replica whose master is away: it has its data and takes no writes.
      await client.replicaof('127.0.0.1', 1)
      await sleep(forMs)
      await client.replicaof('NO', 'ONE')
    }),
    redis_script_flush: async () => { await client.script('FLUSH') },
    redis_client_kill: async () => {
      await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    }
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    client,
    /** @param {keyof typeof faults} kind @param {number} forMs */
    async fail (kind, forMs) {
      const before = busy
      let done = () => {}
      busy = new Promise((resolve) => { done = resolve })
      await before
      try {
        await faults[kind](forMs)
      } finally {
        done()
      }
    },
    async stop () {
      client.disconnect()
      await endProcess(child)
    }
  }
}
