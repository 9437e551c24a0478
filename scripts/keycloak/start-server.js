// Starts a Keycloak on free ports of loopback, empty and in memory.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort } from '../free-port.js'
import { createAdmin } from './admin.js'
import { findHome } from './find-home.js'

/** Its first start also builds it: 140 s on a busy machine. */
const START_MS = 300_000
const STOP_MS = 15_000

/**
 * Starts the server, at `port` or a free one, and waits until it is ready. Rejects with the end of its log when it ends or
 * takes too long. `stop` ends all of its processes, and so does the end of this one by `process.exit`.
 */
export async function startServer ({ note = () => {}, port: wanted = null } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-keycloak-'))
  const home = findHome(folder, note)
  const [port, managementPort] = [wanted ?? await findFreePort(), await findFreePort()]
  const password = randomBytes(12).toString('base64url')
  const logFile = join(folder, 'log')
  const log = createWriteStream(logFile)
  note('starting Keycloak')
  const child = spawn('sh', [join(home, 'bin', 'kc.sh'), 'start-dev',
    // In memory: nothing is kept, and runs beside each other do not meet.
    '--db=dev-mem', '--cache=local', '--features=ssf', '--health-enabled=true',
    // Signals go to a receiver on loopback, without TLS, and are looked for each second in place of every half a minute.
    '--spi-ssf-transmitter--default--allow-insecure-push-targets=true', '--spi-ssf-transmitter--default--outbox-drainer-interval=1s',
    '--http-host=127.0.0.1', `--http-port=${port}`, `--http-management-port=${managementPort}`
  ], {
    // A group of its own: the shell's Java ends with it, whatever became of the shell.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      JAVA_OPTS_KC_HEAP: '-Xms64m -Xmx512m',
      // It runs for minutes: what the second compiler makes faster, it takes longer to make.
      JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1',
      KC_BOOTSTRAP_ADMIN_USERNAME: 'admin',
      KC_BOOTSTRAP_ADMIN_PASSWORD: password
    }
  })
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  const exited = once(child, 'exit')
  const signal = (name) => { try { process.kill(-child.pid, name) } catch { /* it has ended */ } }
  const clear = () => {
    signal('SIGKILL')
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  process.once('exit', clear)

  async function stop () {
    signal('SIGTERM')
    await Promise.race([exited, sleep(STOP_MS, undefined, { ref: false })])
    process.removeListener('exit', clear)
    log.end()
    clear()
  }

  const url = `http://127.0.0.1:${port}`
  try {
    await waitUntilReady(`http://127.0.0.1:${managementPort}/health/ready`, child)
    return { url, password, admin: await createAdmin(url, 'admin', password), logFile, stop }
  } catch (error) {
    const written = readFileSync(logFile, 'utf8').slice(-4000)
    await stop()
    throw new Error(`Keycloak did not start: ${error.message}\n${written}`)
  }
}

async function waitUntilReady (address, child) {
  const deadlineMs = performance.now() + START_MS
  for (;;) {
    const isReady = await fetch(address, { signal: AbortSignal.timeout(2000) }).then(({ ok }) => ok, () => false)
    if (isReady) return
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    if (performance.now() > deadlineMs) throw new Error(`it was not ready within ${START_MS / 1000} s`)
    await sleep(250)
  }
}
