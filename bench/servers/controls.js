import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startScript } from './child.js'
import { AUDIENCE } from './issuer.js'
import { UNLIMITED } from './gateway.js'

const here = name => fileURLToPath(new URL(name, import.meta.url))
const BENCH = here('..')

/** Installs what the controls are made of, in the versions of bench's own lock file, when it is not there. */
export function installControls () {
  if (existsSync(join(BENCH, 'node_modules/.package-lock.json'))) return
  process.stderr.write('bench: installing the packages of the controls\n')
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: BENCH, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error('the packages of the controls cannot be installed: run npm ci in bench/')
}

/** Bare uWebSockets.js. */
export async function startBare (scope, { execArgv = [] } = {}) {
  const child = await startScript(here('bare.js'), {}, execArgv)
  scope.onEnd(child.stop)
  return { ...child, port: child.ready.port }
}

/** The usual stack, with a log file of its own. */
export async function startUsualStack (scope, { issuer, redis, env = {}, execArgv = [] }) {
  installControls()
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-usual-'))
  const child = await startScript(here('usual-stack.js'), {
    REDIS_URL: redis.url,
    ISSUER: issuer.url,
    JWKS_URL: issuer.jwksUrl,
    AUDIENCE,
    LOG_FILE: join(folder, 'usual.log'),
    IP_LIMIT: '10',
    MESSAGE_LIMIT: UNLIMITED,
    NODE_ENV: 'production',
    ...env
  }, execArgv)
  scope.onEnd(async () => {
    await child.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return { ...child, port: child.ready.port }
}
