// npm run bench -- [case] [--json FILE] [--rounds N] [--operations N]
// Each case starts its servers and its load as processes of their own, and prints the server's CPU time per operation
// and its ratio to the control of the same run: that survives a noisy machine, a throughput does not.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { describeHost } from './host.js'
import { runUpgrade } from './upgrade.js'

const CASES = { upgrade: runUpgrade }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, rounds: { type: 'string', default: '5' }, operations: { type: 'string', default: '4000' } }
})
const settings = { rounds: Number(values.rounds), operations: Number(values.operations) }
const names = positionals.length === 0 ? Object.keys(CASES) : positionals
for (const name of names) {
  if (!Object.hasOwn(CASES, name)) {
    process.stderr.write(`no case ${name}; there are ${Object.keys(CASES).join(', ')}\n`)
    process.exit(2)
  }
}

const host = describeHost()
process.stdout.write(`${Object.entries(host).map(([key, value]) => `${key}: ${value}`).join('\n')}\n`)
const results = {}
for (const name of names) {
  process.stdout.write(`\n${name}: ${settings.rounds} interleaved rounds of ${settings.operations} operations\n`)
  results[name] = await CASES[name](settings)
  process.stdout.write(`${'server'.padEnd(28)} µs CPU per operation: median (min–max)   ratio\n`)
  for (const row of results[name]) {
    const spread = `${row.medianUs.toFixed(1)} (${row.minUs.toFixed(1)}–${row.maxUs.toFixed(1)})`
    process.stdout.write(`${row.server.padEnd(28)} ${spread.padEnd(44)} ${row.ratio.toFixed(2)}\n`)
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ host, settings, results }, null, 2)}\n`)
