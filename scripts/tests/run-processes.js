import { t } from 'tap'
import { PassThrough } from 'node:stream'

/** A file's process is ended after this long. It ends a hang and bounds nothing else. */
const HANG_MS = 300_000

const compiled = (file) => `.test-build/${file.replace(/\.ts$/, '.js')}`

/**
 * Runs each group of test files in a process of its own, `jobs` at a time, with tap. `onFile` is told of each file once
 * it has ended: its counts, its failed assertions, and how its process ended.
 */
export async function runProcesses (groups, { jobs, folder, onFile }) {
  // tap writes its TAP to standard output unless it goes elsewhere.
  t.pipe(new PassThrough().resume())
  t.register()
  t.setTimeout(0)
  t.jobs = jobs
  const env = { ...process.env, TAP_TIMEOUT: String(HANG_MS / 1000), PORTCULLIS_TEST_RUN: folder }
  const named = new Map(groups.map((files, n) => [files.length === 1 ? files[0] : `together ${n}`, files]))
  const endings = new Map()
  t.on('spawn', (spawned) => { endings.set(spawned.name, follow(spawned, named.get(spawned.name), onFile)) })
  await Promise.all([...named].map(async ([name, files]) => {
    await t.spawn('env', commandOf(files), { name, buffered: true, timeout: HANG_MS, stdio: ['ignore', 'pipe', 'pipe'], env })
    endings.get(name)?.()
  }))
}

/** tap gives its processes a hook for coverage in NODE_OPTIONS. It costs a third of a second in each process below, so it is taken out. */
function commandOf (files) {
  const options = process.env.NODE_OPTIONS === undefined ? ['-u', 'NODE_OPTIONS'] : [`NODE_OPTIONS=${process.env.NODE_OPTIONS}`]
  const program = files.length === 1 ? [compiled(files[0])] : ['.test-build/test/support/together.js']
  return [...options, `TOGETHER=${files.join('\n')}`, process.execPath, '--enable-source-maps', ...program]
}

/** Listens to one process; call what it returns once that has ended. */
function follow (spawned, files, onFile) {
  const { parser } = spawned
  const errors = []
  spawned.on('process', (child) => { child.stderr.setEncoding('utf8').on('data', (text) => { errors.push(text) }) })
  const runs = new Map()
  const startRun = (file) => {
    const run = { file, startMs: performance.now(), timeMs: 0, counts: { passed: 0, failed: 0, skipped: 0 }, failed: [] }
    runs.set(file, run)
    return run
  }
  let current = startRun(files[0])
  const above = files.length > 1 ? 2 : 1
  // A subtest of the shared process is a file.
  if (files.length > 1) {
    parser.on('child', (child) => {
      const run = current = runs.get(child.name) ?? startRun(child.name)
      child.on('complete', () => { run.timeMs = performance.now() - run.startMs })
    })
  }
  parser.on('result', (result) => {
    const path = result.fullname.split(' > ').slice(above)
    // That a file of a shared process has ended is no assertion of it.
    if (path.length > 0) count(current, result, path.join(' > '))
  })
  // Its output ends before the process does: how that ended is known only once tap has waited for it.
  return () => {
    const { exitCode = 0, signal = null } = spawned.options
    const ended = signal ?? (exitCode === 0 || exitCode === null ? null : `exit code ${exitCode}`)
    if (files.length === 1) current.timeMs = performance.now() - current.startMs
    // A failed assertion ends the process with 1: that is no fault of the files beside it.
    const explained = ended === 'exit code 1' && [...runs.values()].some(({ failed }) => failed.length > 0)
    for (const file of files) onFile({ ...(runs.get(file) ?? startRun(file)), ended: explained ? null : ended, stderr: errors.join('') })
  }
}

function count (run, result, name) {
  if (result.skip || result.todo) run.counts.skipped++
  else if (result.ok) run.counts.passed++
  else {
    run.counts.failed++
    run.failed.push({ name, diag: result.diag })
  }
}
