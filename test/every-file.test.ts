import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PROJECT } from './support/root.js'

const SRC = fileURLToPath(new URL('src/', PROJECT))
/** Runs in a process of its own, reads no setting, and ends the process that imports it: test/transport/uws/backlog.test.ts has it. */
const CHILD = 'transport/uws/backlog-main.js'
const MODULES = (readdirSync(SRC, { recursive: true }) as string[])
  .filter(file => file.endsWith('.ts') && !file.endsWith('.d.ts')).map(file => file.replace(/\.ts$/, '.js')).filter(file => file !== CHILD).toSorted()
/** Modules that are programs: importing one runs it. */
const PROGRAMS = MODULES.filter(file => /(^|[/-])main\.js$/.test(file))

t.test('every module can be imported, does nothing by that, and shares a process with all others', async (t) => {
  const busy = (): number => process.getActiveResourcesInfo().filter(name => /Timeout|TCP|Server/.test(name)).length
  const before = busy()
  const modules = MODULES.filter(file => !PROGRAMS.includes(file))
  t.ok(modules.length > 100)
  const failed = await Promise.all(modules.map(async file => await import(`../src/${file}`).then(() => [], (error: unknown) => [`${file}: ${String(error)}`])))
  t.same(failed.flat(), [])
  t.equal(busy(), before, 'no timer, no socket')
})

t.test('every program refuses to start on a wrong setting, and says which', async (t) => {
  t.match(PROGRAMS, ['cli/main.js', 'dev/main.js', 'main.js'])
  for (const file of PROGRAMS) {
    t.intercept(process, 'env', { value: { ...process.env, PORT: 'not a port' } })
    const written = t.capture(process.stderr, 'write')
    // A program for operators says it and sets the exit code; one that another program starts may throw it.
    const thrown = await import(`../src/${file}`).then(() => '', (error: unknown) => { process.exitCode = 1; return String(error) })
    written.restore()
    t.match(written.args().join('') + String(thrown), /PORT: must be a whole number from 0 to 65535, not "not a port"/, file)
    t.equal(process.exitCode, 1)
    process.exitCode = undefined
  }
})
