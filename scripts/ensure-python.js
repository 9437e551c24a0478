// Finds a Python that can run the Python client (3.10 or later, with the package websockets) and prints its path: one of this machine that
// has the package, or else a virtual environment that is made once, outside of the tree, with the release that is tested, or else Debian's
// package.
//   node scripts/ensure-python.js
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ensureServer } from './ensure-server.js'

const REQUIREMENTS = fileURLToPath(new URL('../clients/python/tests/requirements.txt', import.meta.url))
const NAMES = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10']
const IS_NEW = 'import sys; sys.exit(sys.version_info < (3, 10))'
const HAS_PACKAGE = `${IS_NEW.replace('; sys.exit', '; import websockets.asyncio.client as client; sys.exit')}`
const INSTALL_MS = 240_000

/**
 * Whether this Python runs the program to a good end.
 * @param {string} path
 * @param {string} program
 */
const runs = (path, program) => spawnSync(path, ['-c', program], { stdio: 'ignore' }).status === 0

function findPythons () {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin'].filter(Boolean)
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
  return [...new Set(paths)].filter((path) => existsSync(path) && runs(path, IS_NEW))
}

/**
 * Makes it beside its place and then puts it there: who comes meanwhile finds a whole one, or none. An environment knows its own path, so
 * pip is called by the module, and nothing in it is called by its script.
 * @param {string} python
 * @param {string} place
 */
function makeEnvironment (python, place) {
  const part = `${place}.${process.pid}.part`
  mkdirSync(join(place, '..'), { recursive: true })
  /** @param {string} path @param {string[]} args */
  const succeeds = (path, args) => spawnSync(path, args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: INSTALL_MS }).status === 0
  const isMade = succeeds(python, ['-m', 'venv', part]) &&
    succeeds(join(part, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS])
  // Another process was faster.
  if (isMade && !existsSync(place)) renameSync(part, place)
  else rmSync(part, { recursive: true, force: true })
}

/**
 * The path of an interpreter that can run the client. Throws, and says what is missing.
 * @returns {string}
 */
export function ensurePython () {
  const pythons = findPythons()
  const [newest] = pythons
  if (newest === undefined) throw new Error('no Python 3.10 or later is installed here')
  const version = spawnSync(newest, ['--version'], { encoding: 'utf8' }).stdout
  const key = createHash('sha256').update(newest + version).update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16)
  const place = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'portcullis', `python-${key}`)
  const made = join(place, 'bin/python')
  if (existsSync(made)) return made
  const ready = pythons.find((path) => runs(path, HAS_PACKAGE))
  if (ready !== undefined) return ready
  makeEnvironment(newest, place)
  if (existsSync(made) && runs(made, HAS_PACKAGE)) return made
  return ensureServer('websockets-py')
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(ensurePython())
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}
