// node scripts/describe-commit.js: prints the short commit of the work tree, and whether what runs has changed since.
import { spawnSync } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const RUNS = [':/src', ':/package.json', ':/package-lock.json']

function git (...args) {
  const { status, stdout } = spawnSync('git', ['-c', `safe.directory=${PROJECT.replace(/\/$/, '')}`, ...args], { cwd: PROJECT, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

/** PORTCULLIS_COMMIT, where there is no history: in the image (scripts/in-image.sh); `unknown` without either. */
export function describeCommit () {
  const given = process.env.PORTCULLIS_COMMIT
  if (given !== undefined) return given
  const commit = git('rev-parse', '--short', 'HEAD')
  if (commit === null) return 'unknown'
  return git('status', '--porcelain', '--', ...RUNS) === '' ? commit : `${commit} and changes`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) console.log(describeCommit())
