import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { ensureServer } from '../../scripts/ensure-server.js'
import { findFreePort } from '../../scripts/free-port.js'
import { endProcess, startProcess } from './processes.js'

const START_MS = 20_000
export const DUMP = 'dump.rdb'
/** With a rule like this Redis saves as it ends in an orderly way, and in practice at no other time. */
const NEVER_BY_ITSELF = '86400 1000000000'

/** @param {import('node:child_process').ChildProcess} child @param {string} words it says when it is ready */
async function untilReady (child, words) {
  let output = ''
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => { reject(new Error(`Redis is not ready: ${output.slice(-2000)}`)) }, START_MS)
    const read = (part) => {
      if (!output.includes(words)) output = (output + part).slice(-20_000)
      if (!output.includes(words)) return
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
 * One process of Redis, which is started again and again on one port and in one folder.
 * @typedef {Awaited<ReturnType<typeof startRedisProcess>>} RedisProcess
 */

/** @param {(place: { port: number, folder: string }) => string[]} [moreArgs] @param {string} [readyWords] */
export async function startRedisProcess (moreArgs = () => [], readyWords = 'Ready to accept connections') {
  const program = ensureServer('redis')
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-chaos-'))
  process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })
  const port = await findFreePort()
  const ordinary = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--dbfilename', DUMP, '--save', NEVER_BY_ITSELF]
  const launch = async (extra = []) => {
    const more = moreArgs({ port, folder })
    // A Sentinel has a file of settings, and nothing else.
    const child = startProcess(program, more[0]?.startsWith('--') === false ? more : [...ordinary, ...more, ...extra], {})
    await untilReady(child, readyWords)
    return child
  }
  let child = await launch()
  const client = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => { /* outages are what this is about */ })
  return {
    port,
    folder,
    client,
    halt () { child.kill('SIGSTOP') },
    resume () { child.kill('SIGCONT') },
    async kill () { await endProcess(child) },
    /** Saves and ends in one step: nothing that was answered is lost. */
    async end () {
      const gone = new Promise((resolve) => { child.once('exit', resolve) })
      child.kill('SIGTERM')
      await gone
    },
    /** @param {string[]} [extra] */
    async start (extra) { child = await launch(extra) },
    async stop () {
      client.disconnect()
      await endProcess(child)
    }
  }
}

/** Breaks every connection of others. @param {Redis} client */
export async function killClients (client) {
  await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
}

/** @param {Redis} client */
export async function readKeysOf (client) {
  const keys = await client.keys('*')
  return await Promise.all(keys.map(async key => ({ key, ttlMs: await client.pttl(key), fields: key.startsWith('ws:node:') ? await client.hkeys(key) : [] })))
}
