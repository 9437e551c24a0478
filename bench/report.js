// node bench/report.js [--check] [--root FOLDER]: writes the runs that `npm run bench -- --json …` left, one of each platform, into
// docs/PERFORMANCE.md, docs/CAPACITY.md, the README's facts and the chart, or says whether they are up to date. A root has README and
// docs as the project's.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { hasCapacity, renderCapacity } from './output/capacity.js'
import { drawChart } from './output/chart.js'
import { hasFacts, renderFacts } from './output/facts.js'
import { describeRun, renderCases, renderSummary } from './output/markdown.js'
import { hasMillion, renderMillion } from './output/million.js'

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false }, root: { type: 'string' } } })
const root = options.root ?? fileURLToPath(new URL('..', import.meta.url))
const at = name => join(root, name)
const read = name => readFileSync(at(name), 'utf8')

/** The image's first: that is what ships. */
const PLATFORMS = [
  { file: 'docs/performance-image.json', title: 'On the image’s platform' },
  { file: 'docs/performance.json', title: 'On the older binding' }
]
const runs = PLATFORMS.filter(({ file }) => existsSync(at(file))).map(({ file, title }) => ({ title, ...JSON.parse(read(file)) }))

/** The text of a page with what stands between its marks replaced. */
function fill (text, mark, content) {
  const [open, close] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`]
  if (!text.includes(open) || !text.includes(close)) throw new Error(`a page has no ${open} … ${close}`)
  return `${text.slice(0, text.indexOf(open) + open.length)}\n${content}\n${text.slice(text.indexOf(close))}`
}

const sections = render => runs.map(run => `### ${run.title}\n\n${describeRun(run)}.\n\n${render(run)}`).join('\n\n')
const carrying = runs.find(hasCapacity)
const factual = runs.find(hasFacts)
const wide = runs.find(hasMillion)
const million = wide === undefined ? 'Not measured yet.' : `${describeRun(wide)}.\n\n${renderMillion(wide)}`
const written = {
  'README.md': fill(read('README.md'), 'facts', renderFacts(factual)),
  'docs/PERFORMANCE.md': fill(fill(read('docs/PERFORMANCE.md'), 'performance', sections(renderSummary)), 'cases', sections(run => renderCases(run, '####'))),
  'docs/CAPACITY.md': fill(
    fill(read('docs/CAPACITY.md'), 'capacity', `${describeRun(carrying)}.\n\n${renderCapacity(carrying.results)}`), 'million', million
  ),
  'docs/images/performance.svg': drawChart(runs[0])
}
for (const [name, text] of Object.entries(written)) {
  if (!options.check) {
    writeFileSync(at(name), text)
  } else if (read(name) !== text) {
    process.stderr.write(`${name} is not what the runs beside it say: run node bench/report.js\n`)
    process.exitCode = 1
  }
}
