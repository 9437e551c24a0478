// node bench/merge.js FILE PART...: puts the cases of other runs into the run in FILE, which need not be there yet: those of the
// same platform only. A case that was measured at another commit says so.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { CASES } from './run-cases.js'

/** What must be the same for two runs to stand in one table. */
const SAME = ['cpu', 'node', 'uWebSockets', 'redis']

/** One run of two; `part` wins. */
function merge (run, part) {
  const other = SAME.find(key => run.host[key] !== part.host[key])
  if (other !== undefined) throw new Error(`not the same ${other}: ${run.host[other]}, ${part.host[other]}`)
  const of = { commit: part.host.commit, rounds: part.settings.rounds }
  const taken = Object.entries(part.results).map(([name, result]) => [name, { ...of, ...result }])
  const results = { ...run.results, ...Object.fromEntries(taken) }
  const before = run.host.before ?? part.host.before
  return {
    host: { ...run.host, ...(before === undefined ? {} : { before }) },
    settings: run.settings,
    results: Object.fromEntries(CASES.filter(name => results[name] !== undefined).map(name => [name, results[name]]))
  }
}

const [file, ...parts] = process.argv.slice(2)
if (parts.length === 0) {
  process.stderr.write('usage: node bench/merge.js FILE PART...\n')
  process.exit(2)
}
const read = name => JSON.parse(readFileSync(name, 'utf8'))
const runs = [...(existsSync(file) ? [file] : []), ...parts].map(read)
writeFileSync(file, `${JSON.stringify(runs.reduce(merge), null, 2)}\n`)
