// node bench/report.js [--check]: writes docs/performance.json, the run that `npm run bench -- --json docs/performance.json`
// left, into docs/PERFORMANCE.md, docs/CAPACITY.md and the chart, or says whether they are up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { renderCapacity } from './output/capacity.js'
import { drawChart } from './output/chart.js'
import { describeRun, renderCases, renderSummary } from './output/markdown.js'

const at = name => new URL(`../${name}`, import.meta.url)
const run = JSON.parse(readFileSync(at('docs/performance.json'), 'utf8'))
const results = Object.fromEntries(Object.entries(run.results).map(([name, { title, rows }]) =>
  [name, { title, rows: rows.filter(row => !row.name.startsWith('before')) }]))

const read = name => readFileSync(at(name), 'utf8')

/** The text of a page with what stands between its marks replaced. */
function fill (text, mark, content) {
  const [open, close] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`]
  if (!text.includes(open) || !text.includes(close)) throw new Error(`a page has no ${open} … ${close}`)
  return `${text.slice(0, text.indexOf(open) + open.length)}\n${content}\n${text.slice(text.indexOf(close))}`
}

const written = {
  'docs/PERFORMANCE.md': fill(fill(read('docs/PERFORMANCE.md'), 'performance', `${describeRun(run)}.\n\n${renderSummary(results)}`),
    'cases', `${describeRun(run)}.\n\n${renderCases(results)}`),
  'docs/CAPACITY.md': fill(read('docs/CAPACITY.md'), 'capacity', `${describeRun(run)}.\n\n${renderCapacity(results)}`),
  'docs/images/performance.svg': drawChart({ ...run, results })
}
for (const [name, text] of Object.entries(written)) {
  if (!process.argv.includes('--check')) {
    writeFileSync(at(name), text)
  } else if (read(name) !== text) {
    process.stderr.write(`${name} is not what docs/performance.json says: run node bench/report.js\n`)
    process.exitCode = 1
  }
}
