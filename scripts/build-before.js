// The build before this one, for tests that run both side by side: `node scripts/build-before.js` makes it once and prints its
// folder. It comes from this clone's own history; its packages from npm. PORTCULLIS_BUILD_BEFORE names a folder that has it
// already: in the image, which has no history (scripts/in-image.sh --with-before).
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'portcullis', 'builds')
/** Nobody has asked for it for this long: it is that of an issue long past. */
const KEPT_MS = 30 * 86_400_000
const MAX_BYTES = 256 * 2 ** 20
/** The clone may belong to another user than the tests'. */
const SAFE = ['-c', `safe.directory=${PROJECT.replace(/\/$/, '')}`]

/** As 40 hex digits. */
const { commit: COMMIT_BEFORE } = JSON.parse(readFileSync(join(PROJECT, 'test/fleet/before.json'), 'utf8'))

/** Whether a text is that commit, whole or its first 7 digits at least. @param {string} text */
export const isCommitBefore = text => text.length >= 7 && COMMIT_BEFORE.startsWith(text)

/** The short commit of a folder's build: that of test/fleet/before.json, or of a checkout. @param {string} folder */
export function describeBefore (folder) {
  if (folder === process.env.PORTCULLIS_BUILD_BEFORE || folder.startsWith(CACHE)) return COMMIT_BEFORE.slice(0, 7)
  const { status, stdout } = spawnSync('git', ['-c', `safe.directory=${folder}`, 'rev-parse', '--short', 'HEAD'], { cwd: folder, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : 'unknown'
}

/** False where that commit is not, as in a shallow clone or a copy of the work tree, and no folder is named either. */
export function hasHistory () {
  if (process.env.PORTCULLIS_BUILD_BEFORE !== undefined) return true
  return spawnSync('git', [...SAFE, 'cat-file', '-e', `${COMMIT_BEFORE}^{commit}`], { cwd: PROJECT, stdio: 'ignore' }).status === 0
}

/**
 * The folder of the build before, which has `dist` and `node_modules`. Made at the first call on a machine, in a minute or two;
 * packages of native code are those of this Node. Throws, and says what to do, where the history or npm has it not.
 */
export function ensureBuildBefore () {
  const given = process.env.PORTCULLIS_BUILD_BEFORE
  if (given !== undefined) {
    if (!existsSync(join(given, 'dist/main.js'))) throw new Error(`PORTCULLIS_BUILD_BEFORE: ${given} has no dist/main.js`)
    return given
  }
  const place = join(CACHE, `${COMMIT_BEFORE.slice(0, 12)}-node${process.versions.node.split('.')[0]}-${process.arch}`)
  if (!existsSync(place)) make(place)
  const now = new Date()
  utimesSync(place, now, now)
  forgetUnused()
  return place
}

function make (place) {
  const archive = readArchive()
  mkdirSync(CACHE, { recursive: true })
  const part = mkdtempSync(join(CACHE, 'part-'))
  try {
    execFileSync('tar', ['-xf', '-', '-C', part], { input: archive, stdio: ['pipe', 'ignore', 'inherit'] })
    // What tap and npm tell their children is about this project, not that one.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_(?!config_(registry|cache)$)|TAP_|NODE_OPTIONS$|INIT_CWD$)/i.test(name)))
    for (const args of [['ci', '--no-audit', '--no-fund'], ['run', 'build']]) execFileSync('npm', args, { cwd: part, env, stdio: ['ignore', 'ignore', 'inherit'] })
    renameSync(part, place)
  } catch (error) {
    // Another process was first: what it made is the same.
    if (!existsSync(place)) throw error
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
}

function readArchive () {
  try {
    return execFileSync('git', [...SAFE, 'archive', COMMIT_BEFORE], { cwd: PROJECT, maxBuffer: MAX_BYTES, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const cause = String(error.stderr ?? error.message).trim()
    throw new Error(`the build before (${COMMIT_BEFORE}) is not in this clone's history: git fetch --unshallow; without a history set PORTCULLIS_BUILD_BEFORE to a folder with that build (${cause})`, { cause: error })
  }
}

function forgetUnused () {
  for (const name of readdirSync(CACHE)) {
    const folder = join(CACHE, name)
    if (Date.now() - statSync(folder, { throwIfNoEntry: false })?.mtimeMs > KEPT_MS) rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(hasHistory() ? `${ensureBuildBefore()}\n` : 'no history here: the tests of two builds are skipped\n')
}
