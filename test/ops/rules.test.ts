import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { offenders } from '../support/offenders.js'
import { PROJECT } from '../support/root.js'

const run = promisify(execFile)
const path = (relative: string): string => fileURLToPath(new URL(relative, PROJECT))
const promtool = (await run(process.execPath, [path('scripts/ensure-server.js'), 'promtool'])).stdout.trim()
const [RULES, TESTS, OPERATIONS] = await Promise.all(['ops/prometheus/alerts.yml', 'ops/prometheus/alerts.test.yml', 'docs/OPERATIONS.md'].map(async file => await readFile(path(file), 'utf8')))
const ALERTS = [...(RULES ?? '').matchAll(/^ {6}- alert: (\w+)$/gm)].map(([, name = '']) => name)

t.test('promtool accepts the rules, and each does in its cases what they say', async (t) => {
  t.match((await run(promtool, ['check', 'rules', path('ops/prometheus/alerts.yml')])).stdout, `SUCCESS: ${ALERTS.length} rules found`)
  t.match((await run(promtool, ['test', 'rules', path('ops/prometheus/alerts.test.yml')])).stdout, 'SUCCESS')
})

t.test('every alert has a case in which it fires, and one in which it is silent', async (t) => {
  t.ok(ALERTS.length > 8)
  const cases = (TESTS ?? '').split(/^ {2}- name: /m).slice(1)
  for (const alert of ALERTS) {
    const own = cases.filter(text => text.includes(`expr: ALERTS{alertname="${alert}", alertstate="firing"}`))
    t.ok(own.some(text => text.includes(`- labels: 'ALERTS{alertname="${alert}"`)), `${alert} fires`)
    t.ok(own.some(text => text.includes('exp_samples: []')), `${alert} is silent`)
  }
})

t.test('the cases notice a rule that never fires, and one that always does', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-rules-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'alerts.test.yml'), TESTS ?? '')
  for (const expression of ['vector(0) > 1', 'vector(1)']) {
    // Every expression, over one line or several, up to the member that follows it.
    const broken = (RULES ?? '').replace(/^( {8}expr:).*\n(?: {10}.*\n)*/gm, `$1 ${expression}\n`)
    await writeFile(join(folder, 'alerts.yml'), broken)
    const output = await run(promtool, ['test', 'rules', join(folder, 'alerts.test.yml')]).then(() => '', (error: { stdout: string, stderr: string }) => error.stdout + error.stderr)
    for (const alert of ALERTS) t.match(output, alert, `${alert} as ${expression}`)
  }
})

t.test('every alert says what it is and what to do, and leads to its section of the operations page', async (t) => {
  const sections = new Map([...(OPERATIONS ?? '').matchAll(/^### (\w+)\n\n([^]*?)(?=\n##|$(?![^]))/gm)].map(([, title = '', text = '']) => [title, text]))
  for (const block of (RULES ?? '').split(/^ {6}- alert: /m).slice(1)) {
    const alert = block.slice(0, block.indexOf('\n'))
    t.match(block, /^ {10}severity: (warning|critical)$/m, alert)
    t.match(block, /^ {10}summary: \S/m, alert)
    t.match(block, /^ {10}description: >-\n {12}\S/m, alert)
    t.match(block, new RegExp(`^ {10}runbook: docs/OPERATIONS\\.md#${alert.toLowerCase()}$`, 'm'), alert)
    t.match(sections.get(alert), /\*\*Do\*\*|\| do \|/, `${alert} has a section with what to do`)
  }
  t.same([...sections.keys()].sort(), [...ALERTS].sort(), 'no section without its alert')
})

t.test('every link within the operations page leads to a heading', async (t) => {
  const text = OPERATIONS ?? ''
  const anchors = new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-')))
  const links = [...text.matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor = '']) => anchor)
  t.ok(links.length > 3)
  t.same(await offenders(links, link => anchors.has(link)), [])
})
