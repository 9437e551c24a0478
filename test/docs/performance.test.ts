import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { PROJECT } from '../support/root.js'

interface Row { name: string, control: string | null, median: number }
interface Run { host: Record<string, string>, settings: object, results: Record<string, { title: string, rows: Row[], commit?: string }> }

interface Ratio { readonly median: number, readonly quartiles: number }
interface Guard {
  listRatios (results: Record<string, { rows: object[] }>): Array<Ratio & { key: string }>
  judge (ratios: ReadonlyArray<Ratio & { key: string }>, budget: Record<string, number>): Array<{ kept: boolean, text: string }>
}

const run = (...args: string[]) => spawnSync(process.execPath, args, { encoding: 'utf8' })
const readRun = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Run

t.test('the figures in the documents are those of the runs that are kept beside them', async (t) => {
  const { status, stderr } = run('bench/report.js', '--check')
  t.equal(status, 0, stderr)
})

t.test('a second platform stands in the documents before the older one, and is what capacity is computed from', async (t) => {
  const root = t.testdir({ docs: { images: {} } })
  cpSync('README.md', join(root, 'README.md'))
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

t.test('a million connections are reckoned from the slice that was measured, a process without connections by itself', async (t) => {
  const root = t.testdir({ docs: { images: {} } })
  cpSync('README.md', join(root, 'README.md'))
  for (const name of ['PERFORMANCE.md', 'CAPACITY.md']) cpSync(join('docs', name), join(root, 'docs', name))
  const whole = readRun('docs/performance.json')
  const sample = whole.results['idle']?.rows[0]
  const row = (figure: string, median: number, extra: Record<string, number>) =>
    ({ ...sample, name: `portcullis, authenticated, leased, 2 topics: ${figure}`, median, extra })
  const rows = [
    row('memory of a connection', 4, { connections: 50_000, processes: 4, 'RSS MB of all processes': 600 }),
    row('CPU at rest of a connection, each second', 2.4, { 'Redis µs': 0.5, 'ms a second, all': 120, 'ms a second without connections': 20 })
  ]
  writeFileSync(join(root, 'docs/performance.json'), JSON.stringify({ ...whole, results: { ...whole.results, wide: { title: 'wide', rows } } }))
  t.match(run('bench/report.js', '--root', root), { status: 0, stderr: '' })
  const page = readFileSync(join(root, 'docs/CAPACITY.md'), 'utf8')
  const figureOf = (name: string): string | undefined => new RegExp(`^\\| ${name} \\| ([^|]+) \\|.*\\| ([^|]*) \\|$`, 'm').exec(page)?.slice(1).join('; ')
  t.equal(figureOf('memory of a process without connections, with its share of the supervisor, MB'), '100; ', '600 MB less 200 for the connections')
  t.equal(figureOf('CPU at rest of a connection, µs a second'), '2.00; ')
  t.equal(figureOf('memory of a million, GB'), '5.60; ≤ 8 met')
  t.equal(figureOf('CPU at rest of a million, cores'), '2.08; ≤ 1.5 **missed**')
})

t.test('cases that ran by themselves are put into a run of the same platform, with their commit, and into no other', async (t) => {
  const folder = t.testdir()
  const [file, part, foreign] = ['run.json', 'part.json', 'foreign.json'].map(name => join(folder, name)) as [string, string, string]
  const whole = readRun('docs/performance.json')
  const { message } = whole.results
  if (message === undefined) throw new Error('the run has no case `message`')
  writeFileSync(file, JSON.stringify(whole))
  // As a run writes it: what was put into this one before says where it came from.
  const later = { title: message.title, rows: message.rows.map(row => ({ ...row, median: 1 })) }
  writeFileSync(part, JSON.stringify({ ...whole, host: { ...whole.host, commit: 'def5678', before: 'a120f99' }, results: { message: later } }))
  writeFileSync(foreign, JSON.stringify({ ...whole, host: { ...whole.host, node: 'v24.0.0' } }))
  t.match(run('bench/merge.js', file, part), { status: 0, stderr: '' })
  const merged = readRun(file)
  t.same(Object.keys(merged.results), Object.keys(whole.results), 'all cases, in their order')
  t.match(merged, { host: { commit: whole.host['commit'], before: 'a120f99' }, results: { message: { commit: 'def5678', rows: [{ median: 1 }] } } })
  t.match(run('bench/merge.js', file, foreign), { status: 1, stderr: /not the same node: v20[^,]*, v24\.0\.0/ })
  t.same(readRun(file), merged)
})

t.test('the guard compares with the build before, and fails what is too dear, what has no budget and what was not run', async (t) => {
  const { judge, listRatios } = await import(new URL('bench/guard.js', PROJECT).href) as Guard
  const row = (name: string, ratios: Record<string, Ratio>) => ({ name, ratios })
  const ratio = (median: number): Ratio => ({ median, quartiles: 0.1 })
  const ratios = listRatios({
    upgrade: {
      rows: [
        row('bare uWebSockets.js', { before: ratio(0.3) }),
        row('portcullis, known token', { floor: ratio(4), before: ratio(1.05) }),
        row('portcullis, fresh token', { floor: ratio(4), before: ratio(1.2) })
      ]
    },
    verify: { rows: [row('portcullis, known token', { floor: ratio(0.01) })] }
  })
  t.same(ratios.map(({ key, median }) => [key, median]),
    [['upgrade: portcullis, known token', 1.05], ['upgrade: portcullis, fresh token', 1.2], ['verify: portcullis, known token', 0.01]])
  const verdicts = judge(ratios, { 'upgrade: portcullis, known token': 1, 'upgrade: portcullis, fresh token': 1, 'message: portcullis': 1 })
  t.same(verdicts.map(({ kept, text }) => [kept, text.slice(0, 9).trim()]), [[true, 'ok'], [false, 'TOO DEAR'], [false, 'NO BUDGET'], [false, 'NOT RUN']])
})
