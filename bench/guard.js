import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadBinding } from '../dist/transport/uws/binding.js'
import { ensureBuildBefore } from '../scripts/build-before.js'
import { runCases } from './run-cases.js'

const BUDGET = fileURLToPath(new URL('budget.json', import.meta.url))
const GUARDED = ['upgrade', 'verify', 'message', 'fanout']

/**
 * One ratio of each row, by case and row: to the build before in the same run, which survives a change of host; where that build has no
 * such row, to the floor.
 * @param {Record<string, { rows: Array<object> }>} results
 */
export function listRatios (results) {
  return Object.entries(results).flatMap(([name, { rows }]) => rows
    .filter(row => row.name.startsWith('portcullis'))
    .map(row => ({ key: `${name}: ${row.name}`, ...row.ratios.before ?? row.ratios.floor })))
}

/**
 * Runs the short form beside the build before, and compares with the budget recorded for this binding. A ratio is too dear when its
 * median is over the budget by more than the middle half of the rounds is apart: one bad round on a busy host must not hide what has
 * become dearer.
 * @param {{ rounds: number, record: boolean, before?: string }} options `record`: write this run's ratios as the budget instead
 * @returns {Promise<boolean>} whether all keep their budget
 */
export async function runGuard ({ rounds, record, before = ensureBuildBefore(), ...settings }) {
  const ratios = listRatios(await runCases(GUARDED, { ...settings, rounds, before, short: true }))
  const budgets = JSON.parse(readFileSync(BUDGET, 'utf8'))
  const { name } = loadBinding()
  if (record) {
    budgets[name] = Object.fromEntries(ratios.map(({ key, median }) => [key, Number(median.toPrecision(3))]))
    writeFileSync(BUDGET, `${JSON.stringify(budgets, null, 2)}\n`)
    process.stdout.write(`\nguard: ${ratios.length} budgets of the ${name} binding recorded\n`)
    return true
  }
  const verdicts = judge(ratios, budgets[name] ?? {})
  process.stdout.write(`\nguard, ${name} binding: ratio (noise of this run), budget\n${verdicts.map(({ text }) => text).join('\n')}\n`)
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
