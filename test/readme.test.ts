import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { EVENT_LEVELS } from '../src/observe/events.js'
import { REFUSALS } from '../src/refusals.js'
import { offenders } from './support/offenders.js'
import { PROJECT } from './support/root.js'

const ROOT = fileURLToPath(PROJECT)
const README = readFileSync(new URL('README.md', PROJECT), 'utf8')

/** The cells of one column of the table whose first line begins with `| <head> |`. */
function cellsOf (head: string, column: number): string[] {
  const lines = README.split('\n')
  const first = lines.findIndex(line => line.startsWith(`| ${head} |`))
  const after = lines.slice(first + 2)
  return first === -1 ? [] : after.slice(0, after.findIndex(line => !line.startsWith('|'))).map(line => line.split('|')[column] ?? '')
}

t.test('the tables of settings and refusals are what the code says', async (t) => {
  const check = promisify(execFile)(process.execPath, ['scripts/readme-tables.js', '--check'], { cwd: ROOT })
  t.equal(await check.then(() => '', (error: { stderr: string }) => error.stderr), '')
})

t.test('every event of the log is explained', async (t) => {
  const explained = cellsOf('`event`', 1).join(' ')
  t.same(await offenders(Object.keys(EVENT_LEVELS), event => explained.includes(`\`${event}\``)), [])
})

t.test('every close code is explained', async (t) => {
  const explained = cellsOf('name', 3).map(cell => cell.trim())
  for (const [name, { closeCode }] of Object.entries(REFUSALS)) {
    if (closeCode !== null) t.ok(explained.includes(String(closeCode)), `${closeCode} ${name}`)
  }
})
