import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runCases } from './run-cases.js'

const BUDGET = fileURLToPath(new URL('budget.json', import.meta.url))
const GUARDED = ['upgrade', 'verify', 'message', 'fanout']

/**
 * The ratios to the floor of one run, by case and row.
 * @param {Record<string, { rows: Array<object> }>} results
 */
function listRatios (results) {
  return Object.entries(results).flatMap(([name, { rows }]) => rows
    .filter(row => row.name.startsWith('portcullis') && row.ratios.floor !== undefined)
    .map(row => ({ key: `${name}: ${row.name}`, ...row.ratios.floor })))
}

/**
 * Runs the short form and compares with the recorded budget. A ratio is too dear when its median is over the budget by
 * more than the middle half of the rounds is apart: one bad round on a busy host must not hide what has become dearer.
 * @param {{ rounds: number, record: boolean }} options `record`: write this run's ratios as the budget instead
 * @returns {Promise<boolean>} whether all keep their budget
 */
export async function runGuard ({ rounds, record, ...settings }) {
  const ratios = listRatios(await runCases(GUARDED, { ...settings, rounds, short: true }))
  if (record) {
    const budget = Object.fromEntries(ratios.map(({ key, median }) => [key, Number(median.toPrecision(3))]))
    writeFileSync(BUDGET, `${JSON.stringify(budget, null, 2)}\n`)
    process.stdout.write(`\nguard: ${ratios.length} budgets recorded\n`)
    return true
  }
  const verdicts = judge(ratios, JSON.parse(readFileSync(BUDGET, 'utf8')))
  process.stdout.write(`\nguard: ratio to the floor (noise of this run), budget\n${verdicts.map(({ text }) => text).join('\n')}\n`)
  return verdicts.every(({ kept }) => kept)
}

/**
 * Says of every ratio whether it keeps its budget; what has none, or was not run, fails.
 * @param {Array<{ key: string, median: number, quartiles: number }>} ratios @param {Record<string, number>} budget
 */
export function judge (ratios, budget) {
  const missing = Object.keys(budget).filter(key => !ratios.some(ratio => ratio.key === key))
  return [
    ...ratios.map(({ key, median, quartiles: noise }) => {
      const limit = budget[key]
      const kept = limit !== undefined && median <= limit + noise
      const why = limit === undefined ? 'NO BUDGET: record one' : kept ? 'ok' : 'TOO DEAR'
      return { kept, text: `${why.padEnd(9)} ${key}: ${median.toPrecision(3)} (${noise.toPrecision(2)}), ${limit?.toPrecision(3) ?? 'none'}` }
    }),
    ...missing.map(key => ({ kept: false, text: `NOT RUN   ${key}` }))
  ]
}
