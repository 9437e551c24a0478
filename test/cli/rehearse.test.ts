import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { runRehearse } from '../../src/cli/run-rehearse.js'

const entry = (atS: number, event: string, more: object): string =>
  `${JSON.stringify({ level: 'info', time: new Date(1_764_320_400_000 + atS * 1000).toISOString(), node: 'n', event, ip: '198.51.100.7', path: '/ws', ...more })}\n`
const accepted = (atS: number, id: string): string => entry(atS, 'connection.accepted', { connection_id: id, user_id: `u-${id}`, duration_ms: 1 })
const HIGHER = ['WS_IP_CONNECTIONS=20']

const folder = t.testdir({})
const file = async (name: string, content: string | Buffer): Promise<string> => {
  await writeFile(join(folder, name), content)
  return join(folder, name)
}
const run = async (files: readonly string[], settings: readonly string[] = HIGHER, input = '', json?: true) =>
  await runRehearse(files, { with: settings, ...(json === undefined ? {} : { json }) }, {}, Readable.from([Buffer.from(input)]))

const REFUSED = Array.from({ length: 3 }, (_, i) => entry(20 + i, 'connection.refused', { reason: 'ip_rate_limited' })).join('')
const TEN = Array.from({ length: 10 }, (_, i) => accepted(i, `c${i}`)).join('')

t.test('logs of several processes, packed or on the standard input, are read as one', async (t) => {
  const [plain, packed] = [await file('a.log', TEN), await file('b.log.gz', gzipSync(REFUSED))]
  const { exitCode, stdout } = await run([packed, plain])
  t.equal(exitCode, 0)
  t.match(stdout, /^read: 13 lines of 2 logs, 0 not readable, from 2025-11-28T09:00:00.000Z to 2025-11-28T09:00:22.000Z$/m)
  t.match(stdout, /WS_IP_CONNECTIONS=20 in 60 s\n {2}refused in the log: 3, with these limits: 0\n {2}would be let in: 3\n {4}198\.51\.100\.7 \(3\)\n {2}would be refused: 0/)
  t.match(stdout, /what the log cannot tell:\n {2}- processes whose logs were not given/)
  t.same((await run(['-'], HIGHER, TEN + REFUSED)).stdout, stdout.replace('2 logs', '1 logs'))
  const { limits } = JSON.parse((await run([plain, packed], HIGHER, '', true)).stdout) as { limits: { address: unknown } }
  t.match(limits.address, { value: 20, refused: 3, would_refuse: 0, let_in: { total: 3, most: { '198.51.100.7': 3 } }, kept_out: { total: 0 } })
})

t.test('the log of a process that came later does not hide the one before: lines are taken in the order of their times', async (t) => {
  const halves = [0, 1].map(half => Array.from({ length: 12 }, (_, i) => i).filter(i => i % 2 === half).map(i => accepted(i * 10, `c${half}${i}`)).join(''))
  const files = await Promise.all(halves.map(async (text, i) => await file(`half${i}.log`, text)))
  t.match((await run(files, ['WS_IP_CONNECTIONS=6'])).stdout, /with these limits: 0\n/)
  t.match((await run(files, ['WS_IP_CONNECTIONS=5'])).stdout, /with these limits: [1-9]/)
})

t.test('lines that cannot be read are counted, however long they are', async (t) => {
  const { stdout } = await run(['-'], HIGHER, `no json\n${'x'.repeat(200_000)}\n\n{"event":"connection.accepted"}\n${entry(0, 'server.started', {})}${accepted(1, 'c')}${'y'.repeat(70_000)}`)
  t.match(stdout, /^read: 6 lines of 1 logs, 4 not readable/)
  t.match((await run(['-'], HIGHER, '')).stdout, /^read: 0 lines of 1 logs, 0 not readable\n/)
})

t.test('a setting that cannot be rehearsed, a value that is none, and a log that is not there: exit code 2, all named', async (t) => {
  const wrong = await run(['-'], ['WS_BAN_AFTER=3', 'WS_NOTHING=1', 'x.log'])
  t.match(wrong, { exitCode: 2, stdout: '', stderr: /WS_BAN_AFTER: cannot be rehearsed; WS_IP_CONNECTIONS, WS_IP_WINDOW_S, .* can\n.*WS_NOTHING: .*\n.*x\.log: wanted NAME=VALUE; files stand before --with/ })
  t.match(await run(['-'], ['WS_IP_CONNECTIONS=0', 'WS_IP_ALLOW_LIST=nowhere']), { exitCode: 2, stderr: /WS_IP_CONNECTIONS: must be a whole number from 1 [^]*WS_IP_ALLOW_LIST: nowhere: must be a CIDR list/ })
  const good = await file('good.log', TEN)
  t.match(await run([good, join(folder, 'missing.log')]), { exitCode: 2, stderr: /^portcullis: \S*missing\.log cannot be read: ENOENT\n$/ })
  t.match(await run([join(folder, 'missing.log'), good]), { exitCode: 2, stderr: /ENOENT/ })
  t.match(await run([await file('bad.gz', 'no gzip')]), { exitCode: 2, stderr: /Z_DATA_ERROR/ })
  t.match(await run(['-', '-']), { exitCode: 2, stderr: /can be read once/ })
})
