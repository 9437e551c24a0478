// npm run bench -- [case ...] [--json FILE] [--rounds N] [--operations N] [--seconds N] [--before CHECKOUT]
// --json -: the figures go to standard output, the tables to standard error. --before a120f99: the commit of test/fleet/before.json.
// npm run bench -- guard [--record]
// Each case starts its servers and its load as processes of their own, and prints the server's CPU time per operation
// and its ratio to the controls of the same run: that survives a noisy machine, a throughput does not.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ensureBuildBefore, isCommitBefore } from '../scripts/build-before.js'
import { runGuard } from './guard.js'
import { describeHost } from './host.js'
import { CASES, runCases } from './run-cases.js'

const options = /** @type {const} */ ({
  json: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  operations: { type: 'string' },
  seconds: { type: 'string' },
  before: { type: 'string' },
  record: { type: 'boolean', default: false }
})

/** @param {string} name @param {string | undefined} text */
function readCount (name, text) {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 1_000_000) throw new Error(`--${name} must be a whole number from 1 to 1,000,000`)
  return count
}

/** The folder of a build: one that is named, or that of the commit of test/fleet/before.json, made where it is not there. */
const findBefore = text => isCommitBefore(text) ? ensureBuildBefore() : text

function readArguments () {
  const { values, positionals } = parseArgs({ allowPositionals: true, options })
  const guard = positionals.length === 1 && positionals[0] === 'guard'
  const names = positionals.length === 0 ? CASES : positionals
  const unknown = guard ? undefined : names.find(name => !CASES.includes(name))
  if (unknown !== undefined) throw new Error(`no case ${unknown}; there are ${CASES.join(', ')} and guard`)
  return {
    guard,
    names,
    json: values.json,
    record: values.record,
    settings: {
      rounds: readCount('rounds', values.rounds),
      ...(values.operations === undefined ? {} : { operations: readCount('operations', values.operations) }),
      ...(values.seconds === undefined ? {} : { seconds: readCount('seconds', values.seconds) }),
      ...(values.before === undefined ? {} : { before: findBefore(values.before) }),
      short: false
    }
  }
}

async function main ({ guard, names, json, record, settings }) {
  const host = describeHost(settings.before)
  // The figures alone go to standard output where they are asked for there.
  const out = json === '-' ? process.stderr : process.stdout
  const write = (text) => { out.write(text) }
  write(`${Object.entries(host).map(([key, value]) => `${key}: ${value}`).join('\n')}\n`)
  if (guard) {
    process.exitCode = await runGuard({ ...settings, record }) ? 0 : 1
    return
  }
  const results = await runCases(names, { ...settings, write })
  const { before: _elsewhere, ...kept } = settings
  const text = `${JSON.stringify({ host, settings: kept, results }, null, 2)}\n`
  if (json === '-') process.stdout.write(text)
  else if (json !== undefined) writeFileSync(json, text)
}

let request
try {
  request = readArguments()
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exit(2)
}
// A signal ends this process through 'exit', where every process that it started is ended.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => { process.exit(130) })
await main(request)
