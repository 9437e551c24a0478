import { createScope } from './measure/scope.js'
import { renderTable } from './output/table.js'

/** Every case, in the order in which `npm run bench` runs them. */
export const CASES = [
  'upgrade', 'parts', 'depth', 'workers', 'rate', 'storm', 'verify', 'limits', 'message', 'lone', 'fanout', 'idle', 'rest', 'wide', 'hold', 'ramp', 'kids', 'growth', 'orders', 'start',
  'history', 'publish', 'recover', 'cold', 'logout', 'introspection'
]

/**
 * Runs cases one after the other and prints a table of each. One that fails is missing in what is given back, and sets the exit code.
 * @param {readonly string[]} names
 * @param {{ rounds: number, operations?: number, seconds?: number, before?: string, short: boolean }} settings `operations` of a
 * round, and its `seconds` where time is what it measures, else the case's own; `before`: another checkout, built, to measure
 * beside this one; `short`: without the usual stack and its like
 */
export async function runCases (names, { write = (text) => { process.stdout.write(text) }, ...settings }) {
  const results = {}
  for (const name of names) {
    let doing = 'starting'
    const progress = (text) => {
      if (text !== '') doing = text
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
    }
    const { title, run } = await import(`./cases/${name}.js`)
    const scope = createScope()
    try {
      const startedAt = performance.now()
      const rows = await run(scope, { ...settings, progress })
      results[name] = { title, rows }
      const seconds = Math.round((performance.now() - startedAt) / 1000)
      write(`\n${name}: ${title}; ${settings.rounds} interleaved rounds, ${seconds} s\n${renderTable(rows)}`)
    } catch (error) {
      // What the other cases took minutes to measure is not thrown away.
      process.exitCode = 1
      process.stderr.write(`\nbench: ${name} failed at “${doing}”: ${error instanceof Error ? error.stack : String(error)}\n`)
    } finally {
      await scope.end()
    }
  }
  return results
}
