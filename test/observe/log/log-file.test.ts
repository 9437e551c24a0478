import { mkdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { LogFile } from '../../../src/observe/log/file-sink.js'
import { createLogDestination } from '../../../src/observe/log/log-destination.js'
import { offenders } from '../../support/offenders.js'
import { HANG_MS, until } from '../../support/until.js'

function openLog (t: Test, file: LogFile, maxQueuedChars?: number) {
  const reports: string[] = []
  const destination = createLogDestination({
    stdout: false, file, report (fault) { reports.push(fault) }, ...(maxQueuedChars === undefined ? {} : { maxQueuedChars })
  })
  t.teardown(async () => { await destination.close() })
  return { destination, reports }
}

function readLines (path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1)
}

t.test('directories are made, the active file is exactly the path, and it ends whole', async (t) => {
  const path = join(t.testdir(), 'a', 'b', 'p.log')
  const { destination, reports } = openLog(t, { path, maxBytes: 1_000_000, keep: 2 })
  for (let n = 0; n < 1000; n++) destination.write(`{"n":${n}}\n`)
  await destination.close()
  t.same(readLines(path), Array.from({ length: 1000 }, (_, n) => `{"n":${n}}`))
  t.same(reports, [])
  t.equal(destination.dropped(), 0)
  t.equal(statSync(path).mode & 0o007, 0, 'others cannot read it')
})

t.test('the file is rotated by size, so many old files are kept, and no line is lost or cut between them', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'p.log')
  const { destination } = openLog(t, { path, maxBytes: 10_000, keep: 3 })
  for (let n = 0; n < 100; n++) {
    for (let i = 0; i < 10; i++) destination.write(`{"n":${n * 10 + i},"padding":"${'x'.repeat(80)}"}\n`)
    await destination.flush()
  }
  await destination.close()
  t.same((await readdir(folder)).sort(), ['p.log', 'p.log.1', 'p.log.2', 'p.log.3'])
  const kept = ['p.log.3', 'p.log.2', 'p.log.1', 'p.log'].flatMap((name) => readLines(join(folder, name)))
  const numbers = kept.map((line) => (JSON.parse(line) as { n: number }).n)
  t.same(numbers, Array.from({ length: kept.length }, (_, index) => 1000 - kept.length + index), 'the newest lines, without a gap')
  t.same(await offenders(['p.log.1', 'p.log.2', 'p.log.3'], name => statSync(join(folder, name)).size < 12_000), [])
})

t.test('the file is rotated by time', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'p.log')
  const { destination } = openLog(t, { path, maxBytes: 1_000_000, keep: 2, rotateEvery: '1s' })
  destination.write('{"n":1}\n')
  await until('the period ends', async () => (await readdir(folder)).includes('p.log.1'))
})

t.test('a log file that cannot be opened is told once, waits for, and nothing that fits is lost', async (t) => {
  const folder = t.testdir({ logs: 'a file where the directory should be' })
  const path = join(folder, 'logs', 'p.log')
  const { destination, reports } = openLog(t, { path, maxBytes: 1_000_000, keep: 2 }, 100)
  destination.write('{"n":1}\n')
  await until('it is told', () => reports.length > 0)
  t.match(reports[0], /p\.log: (ENOTDIR|EEXIST)/)
  for (let n = 2; n <= 100; n++) destination.write(`{"n":${n}}\n`)
  t.ok(destination.dropped() > 80, 'beyond the bound lines are dropped')
  unlinkSync(join(folder, 'logs'))
  await until('it is written', () => statSync(path, { throwIfNoEntry: false })?.isFile() === true && readLines(path).length > 5)
  t.same(readLines(path).slice(0, 3), ['{"n":1}', '{"n":2}', '{"n":3}'])
  t.equal(reports.length, 1)
})

t.test('a directory removed, or a file moved away, while running: lines are soon written at the path again', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'logs', 'p.log')
  const { destination } = openLog(t, { path, maxBytes: 1_000_000, keep: 2 })
  async function isWrittenAgain (): Promise<boolean> {
    destination.write('{"n":1}\n')
    await destination.flush()
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  }
  await until('it is there', isWrittenAgain)
  rmSync(join(folder, 'logs'), { recursive: true })
  await until('it is back', isWrittenAgain)
  renameSync(path, join(folder, 'moved'))
  await until('it is back', isWrittenAgain)
})

t.test('a last line that a crash cut is not glued to the first new one', async (t) => {
  const path = join(t.testdir(), 'p.log')
  writeFileSync(path, '{"n":1}\n{"n":')
  const { destination } = openLog(t, { path, maxBytes: 1_000_000, keep: 2 })
  destination.write('{"n":3}\n')
  await destination.close()
  t.same(readLines(path), ['{"n":1}', '{"n":', '{"n":3}'])
})

t.test('closing does not wait for a file that never opens', async (t) => {
  const path = join(t.testdir(), 'p.log')
  mkdirSync(path)
  const { destination, reports } = openLog(t, { path, maxBytes: 1_000_000, keep: 2 })
  destination.write('{"n":1}\n')
  await until('it is told', () => reports.length > 0)
  const startedAt = performance.now()
  await destination.close(100)
  t.ok(performance.now() - startedAt < HANG_MS)
})
