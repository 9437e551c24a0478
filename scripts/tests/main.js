// Runs compiled test files and says what failed, first the file, then the test. The last line is `N passed, N failed`,
// with `, N skipped` where any was. Exit code 0 only if everything passed and every file ran a test.
//
//   npm test                               the suite
//   npm run test:all                       the suite and the heavy files (test/heavy.json)
//   npm run test:all -- --heavy            the heavy files alone
//   npm test -- test/limits test/x.test.ts files, or all of a folder, heavy or not
//   --jobs N      processes at a time      --times   how long each file took, and its assertions
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findTestFiles } from './find-test-files.js'
import { createReport } from './report.js'
import { runProcesses } from './run-processes.js'
import { planProcesses } from './plan-processes.js'

/** What each file took in its last run here, in ms. */
const TIMES = '.test-build/times.json'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    heavy: { type: 'boolean', default: false },
    times: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '6' }
  }
})
const jobs = Number(values.jobs)
if (!Number.isInteger(jobs) || jobs < 1) throw new Error(`--jobs: ${values.jobs} is no number of processes`)

const files = findTestFiles({ set: values.heavy ? 'heavy' : values.all ? 'all' : 'suite', wanted: positionals })
const report = createReport({ files, write: (text) => { process.stdout.write(text) } })
// What the files of one run may share, as a template of a database. Postgres's own account must reach it.
const folder = mkdtempSync(join(tmpdir(), 'portcullis-test-run-'))
chmodSync(folder, 0o755)
process.on('exit', () => { rmSync(folder, { recursive: true, force: true }) })
const lastMs = existsSync(TIMES) ? JSON.parse(readFileSync(TIMES, 'utf8')) : {}
await runProcesses(planProcesses(files, lastMs), { jobs, folder, onFile: report.add })
writeFileSync(TIMES, JSON.stringify({ ...lastMs, ...report.times() }))
if (values.times) report.writeTimes()
process.exitCode = report.finish() ? 0 : 1
