// Runs the simulator: many seeds, or one.
//
//   npm run simulate -- --seeds N            seeds 1 to N; --from M: from M on
//   npm run simulate -- --seed S             one seed; with --trace every line of it
//   npm run simulate -- --planted            bugs that are put into a copy: by which seed each is found; --only TEXT: of these names
import { parseArgs } from 'node:util'
import { findPlanted } from './planted.js'
import { simulate, type Outcome } from './simulation.js'

const KEPT_LINES = 60
const PROGRESS_MS = 5000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false }
  }
})

const totals = new Map<string, number>()
let simulatedMs = 0
let broken = 0

function add ({ counts, simulatedMs: ms }: Outcome): void {
  simulatedMs += ms
  for (const [what, times] of counts) totals.set(what, (totals.get(what) ?? 0) + times)
}

/** Runs a seed that broke a promise again, and says what led to it. */
async function explain (seed: number): Promise<void> {
  const { violation, lines } = await simulate(seed, { keptLines: KEPT_LINES })
  process.stdout.write(`${lines.join('\n')}\n\nseed ${seed} breaks "${violation?.invariant ?? 'nothing, the second time'}": ${violation?.text ?? ''}\n`)
  process.stdout.write(`npm run simulate -- --seed ${seed} --trace\n\n`)
}

async function runMany (from: number, to: number): Promise<void> {
  let toldAtMs = performance.now()
  for (let seed = from; seed <= to; seed++) {
    const outcome = await simulate(seed)
    add(outcome)
    if (outcome.violation !== null) {
      broken++
      if (values.keep) process.stdout.write(`seed ${seed} ${outcome.violation.invariant}: ${outcome.violation.text}\n`)
      else return await explain(seed)
    }
    if (performance.now() - toldAtMs < PROGRESS_MS) continue
    toldAtMs = performance.now()
    process.stderr.write(`${seed - from + 1} of ${to - from + 1} seeds\n`)
  }
}

const startedMs = performance.now()
if (values.planted) {
  await findPlanted(({ name, seed, invariant }) => {
    if (seed === null) broken++
    process.stdout.write(`| ${name} | ${seed ?? 'not found'} | ${invariant} |\n`)
  }, { only: values.only })
} else if (values.seed !== undefined) {
  const outcome = await simulate(Number(values.seed), values.trace ? { keptLines: 1, prints: true } : {})
  add(outcome)
  if (outcome.violation !== null) {
    broken++
    await explain(Number(values.seed))
  }
} else {
  const from = Number(values.from)
  await runMany(from, from + Number(values.seeds) - 1)
}
const seconds = (performance.now() - startedMs) / 1000
for (const [what, times] of [...totals].toSorted(([a], [b]) => a < b ? -1 : 1)) process.stdout.write(`${String(times).padStart(12)}  ${what}\n`)
process.stdout.write(`${(simulatedMs / 3_600_000).toFixed(1)} simulated hours in ${seconds.toFixed(1)} s, ${broken} seeds broke a promise\n`)
if (broken > 0) process.exitCode = 1
