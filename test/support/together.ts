// Runs many pure test files in one process, each as a subtest that is named for its file. TOGETHER names them, one a line
// (arguments would become part of the name of every test's folder).
// A file sees the `t` of its own subtest where it imports tap. What it leaves behind in the process is a failure of it.
import { register } from 'node:module'
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import { PROJECT } from './root.js'

const HOOKS = `
export async function resolve (specifier, context, next) {
  if (specifier !== 'tap' || !/\\.test\\.js$/.test(context.parentURL)) return await next(specifier, context)
  const source = 'export default globalThis[Symbol.for("portcullis.test-of")](' + JSON.stringify(context.parentURL) + ')'
  return { url: 'data:text/javascript,' + encodeURIComponent(source), shortCircuit: true }
}`
register(`data:text/javascript,${encodeURIComponent(HOOKS)}`)

const tests = new Map<string, Test>()
Reflect.set(globalThis, Symbol.for('portcullis.test-of'), (url: string): Test | undefined => tests.get(url))

/** What of `after` is not in `before`, each as often as it is more. */
function moreOf (before: readonly string[], after: readonly string[]): string[] {
  const known = [...before]
  return after.filter(name => {
    const at = known.indexOf(name)
    if (at !== -1) known.splice(at, 1)
    return at === -1
  })
}

const listBusy = (): string[] => process.getActiveResourcesInfo().filter(name => /Timeout|TCP|Server|UDP|Process|Worker|Watcher/.test(name))

/** What one file could change under the next. */
function lookAround (): Record<string, unknown> {
  const listeners = ['exit', 'SIGTERM', 'SIGINT', 'SIGHUP', 'uncaughtException', 'unhandledRejection', 'warning']
  return {
    environment: { ...process.env },
    folder: process.cwd(),
    exitCode: process.exitCode,
    listeners: Object.fromEntries(listeners.map(event => [event, process.listenerCount(event)])),
    globals: Reflect.ownKeys(globalThis).map(String)
  }
}

// A test may wait for a timer of the product that keeps no process alive (unref). Node would end this one under it, whenever
// nothing else happens to be open. A test that never ends is ended by tap's own limit.
const kept = setInterval(() => {}, 60_000)
let clean = true
// tap takes hold of the process at its first output.
t.comment('files of one process')
for (const file of (process.env['TOGETHER'] ?? '').split('\n')) {
  const [before, busy] = [lookAround(), listBusy()]
  await t.test(file, async t => {
    const url = new URL(`.test-build/${file.replace(/\.ts$/, '.js')}`, PROJECT).href
    tests.set(url, t)
    await import(url)
  })
  // What the teardown closed is gone one turn later.
  await new Promise(resolve => setImmediate(resolve))
  const after = lookAround()
  const [changed, left] = [Object.keys(before).filter(what => !isDeepStrictEqual(after[what], before[what])), moreOf(busy, listBusy())]
  if (changed.length > 0 || left.length > 0) {
    clean = false
    await t.test(file, async t => { t.same({ ...after, left }, { ...before, left: [] }, 'leaves the process as it was') })
  }
}
clearInterval(kept)
t.end()
// What was left behind may keep the process from ending, and has been told.
if (!clean) process.exit(1)
