import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../../scripts/free-port.js'
import { openClient } from '../load/raw-client.js'
import { listTree, readCpuUs } from '../measure/cpu.js'
import { startProgram } from './child.js'
import { AUDIENCE } from './issuer.js'
import { createLogLines } from './log-lines.js'
import { untilReady } from './until-ready.js'

const START_TIMEOUT_MS = 15_000
/** The kernel picks a process for each: by then it has picked each. */
const CONNECTIONS_EACH = 10
const FIRST_MS = 20
/** As high as a limit may be. */
export const UNLIMITED = '1000000000'

/**
 * The gateway as `npm start` runs it, its log in a real file and its standard output in /dev/null, as an operator with a
 * log file would have it. Resolves when the port is open and the keys are there, in each process.
 * @param {{ onEnd: (end: () => unknown) => void }} scope
 * @param {object} options
 * @param {{ url: string, jwksUrl: string }} options.issuer
 * @param {{ url: string } | null} options.redis
 * @param {Record<string, string>} [options.env]
 * @param {string} [options.root] the checkout whose build is run; default this one
 * @param {number} [options.workers] processes that take connections, on one port
 * @param {string[]} [options.execArgv] more options of Node
 * @param {boolean} [options.isQuiet] it writes no lines of connections, nor of its start: it is asked whether it is ready
 */
export async function startGateway (scope, { issuer, redis, env = {}, root, workers = 1, execArgv = [], isQuiet = false }) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'))
  const log = join(folder, 'portcullis.log')
  const checkout = root ?? fileURLToPath(new URL('../../', import.meta.url))
  const startedAt = performance.now()
  // Workers share a port, so that it must be known before, as that of a process that does not tell.
  const port = workers === 1 && !isQuiet ? 0 : await findFreePort()
  const adminPort = isQuiet ? await findFreePort() : 0
  const child = startProgram(process.execPath, [...optionsOfStart(checkout), ...execArgv, join(checkout, 'dist/main.js')], {
    HOST: '127.0.0.1',
    PORT: String(port),
    WORKERS: String(workers),
    ADMIN_PORT: String(adminPort),
    JWT_ISSUER: issuer.url,
    JWT_AUDIENCE: AUDIENCE,
    JWT_JWKS_URI: issuer.jwksUrl,
    LOG_FILE: log,
    LOG_FILE_MAX_MB: '100000',
    ...(isQuiet ? { LOG_LEVEL: 'warn' } : {}),
    ...(redis === null ? {} : { REDIS_URL: redis.url }),
    // Its time is none of the case's; `cold` turns it on.
    ...(root === undefined ? { WS_WARM_UP: 'false' } : {}),
    ...env
  })
  const lines = createLogLines(log)
  scope.onEnd(async () => {
    await child.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  if (isQuiet) {
    await untilReady(adminPort)
    return { ...child, port, lines }
  }
  const started = await untilStarted(child, lines, startedAt, workers)
  if (root !== undefined) await openFirst(started.port, workers, issuer)
  if (workers === 1) return { ...child, ...started, lines }
  const pids = await listWorkers(child.pid, workers)
  return { ...child, ...started, lines, pids, cpuUs: () => pids.reduce((sum, pid) => sum + readCpuUs(pid), 0) }
}

/** The supervisor and its workers, once these have no children of their own, as one has for some 50 ms that sets its backlog. */
async function listWorkers (pid, workers) {
  const endAt = performance.now() + START_TIMEOUT_MS
  while (performance.now() < endAt) {
    const pids = listTree(pid)
    if (pids.length === workers + 1) return pids
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
  throw new Error(`there were not ${workers} workers, and no other process, in ${START_TIMEOUT_MS} ms`)
}

/** The options of Node with which the start script of a checkout runs it. @param {string} checkout */
function optionsOfStart (checkout) {
  const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  return scripts.start.split(' ').filter(word => word.startsWith('--'))
}

/**
 * Another build has its first connections here, whatever becomes of them: a120f99 on the current binding was seen to end the first
 * one of a process after the welcome, without a line in the log.
 * @param {number} port @param {number} workers @param {{ token: (more: object) => string }} issuer
 */
async function openFirst (port, workers, issuer) {
  const count = workers === 1 ? 1 : workers * CONNECTIONS_EACH
  for (let n = 0; n < count; n++) {
    await new Promise((resolve) => {
      const where = { port: Number(port), target: `/ws?token=${issuer.token({ sub: `first-${n}` })}`, localAddress: `127.250.0.${n + 1}` }
      const client = openClient(where, { onText: () => { setTimeout(() => { client.reset(); resolve() }, FIRST_MS) }, onError: resolve })
    })
  }
}

async function untilStarted (child, lines, startedAt, workers) {
  let text = ''
  let port
  while (performance.now() - startedAt < START_TIMEOUT_MS) {
    if (child.ended) throw new Error('the gateway did not start')
    text += lines.text()
    port ??= /"event":"server.started"[^\n]*?"port":(\d+)/.exec(text)?.[1]
    if (['server.started', 'jwks.refreshed'].every(event => text.split(`"event":"${event}"`).length > workers)) {
      return { port: Number(port), readyMs: performance.now() - startedAt }
    }
    await new Promise((resolve) => { setTimeout(resolve, 2) })
  }
  throw new Error(`the gateway was not ready in ${START_TIMEOUT_MS} ms`)
}
