import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

interface Row { name: string, control: string | null, median: number }
interface Run { host: Record<string, string>, settings: object, results: Record<string, { title: string, rows: Row[], commit?: string }> }

const run = (...args: string[]) => spawnSync(process.execPath, args, { encoding: 'utf8' })
const readRun = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Run

t.test('the figures in the documents are those of the runs that are kept beside them', async (t) => {
  const { status, stderr } = run('bench/report.js', '--check')
  t.equal(status, 0, stderr)
})

t.test('a second platform stands in the documents before the older one, and is what capacity is computed from', async (t) => {
  const root = t.testdir({ docs: { images: {} } })
  for (const name of ['PERFORMANCE.md', 'CAPACITY.md', 'performance.json']) cpSync(join('docs', name), join(root, 'docs', name))
  const older = readRun('docs/performance.json')
  const image = { ...older, host: { ...older.host, node: 'v24.0.0', uWebSockets: 'current: loaded', commit: 'abc1234' } }
  writeFileSync(join(root, 'docs/performance-image.json'), JSON.stringify(image))
  t.match(run('bench/report.js', '--root', root), { status: 0, stderr: '' })
  const page = readFileSync(join(root, 'docs/PERFORMANCE.md'), 'utf8')
  t.same([...page.matchAll(/^### (On .*)$/gm)].map(([, title]) => title),
    ['On the image’s platform', 'On the older binding', 'On the image’s platform', 'On the older binding'])
  t.match(readFileSync(join(root, 'docs/CAPACITY.md'), 'utf8'), /Node v24\.0\.0, the current uWebSockets\.js binding.*commit `abc1234`/)
  t.match(readFileSync(join(root, 'docs/images/performance.svg'), 'utf8'), 'Node v24.0.0, current uWebSockets.js binding')
  t.match(run('bench/report.js', '--root', root, '--check'), { status: 0 })
})

t.test('cases that ran by themselves are put into a run of the same platform, with their commit, and into no other', async (t) => {
  const folder = t.testdir()
  const [file, part, foreign] = ['run.json', 'part.json', 'foreign.json'].map(name => join(folder, name)) as [string, string, string]
  const whole = readRun('docs/performance.json')
  const { message } = whole.results
  if (message === undefined) throw new Error('the run has no case `message`')
  writeFileSync(file, JSON.stringify(whole))
  const later = { ...message, rows: message.rows.map(row => ({ ...row, median: 1 })) }
  writeFileSync(part, JSON.stringify({ ...whole, host: { ...whole.host, commit: 'def5678', before: 'a120f99' }, results: { message: later } }))
  writeFileSync(foreign, JSON.stringify({ ...whole, host: { ...whole.host, node: 'v24.0.0' } }))
  t.match(run('bench/merge.js', file, part), { status: 0, stderr: '' })
  const merged = readRun(file)
  t.same(Object.keys(merged.results), Object.keys(whole.results), 'all cases, in their order')
  t.match(merged, { host: { commit: whole.host['commit'], before: 'a120f99' }, results: { message: { commit: 'def5678', rows: [{ median: 1 }] } } })
  t.match(run('bench/merge.js', file, foreign), { status: 1, stderr: /not the same node: v20[^,]*, v24\.0\.0/ })
  t.same(readRun(file), merged)
})
