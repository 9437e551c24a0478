import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { PROJECT } from './support/root.js'

const { findTestFiles, listTestFiles } = await import(new URL('scripts/tests/find-test-files.js', PROJECT).href) as {
  findTestFiles (asked: { set: 'suite' | 'heavy' | 'all', wanted: readonly string[] }): string[]
  listTestFiles (): string[]
}

t.test('every test file is in the suite or heavy, and never in both', async (t) => {
  const [suite, heavy] = [findTestFiles({ set: 'suite', wanted: [] }), findTestFiles({ set: 'heavy', wanted: [] })]
  t.ok(suite.length > 100 && heavy.length > 0)
  t.same([...suite, ...heavy].toSorted(), listTestFiles())
  t.same(findTestFiles({ set: 'all', wanted: [] }), listTestFiles())
})

t.test('what the list calls heavy is there, with its reason', async (t) => {
  const heavy = Object.entries(JSON.parse(readFileSync(new URL('test/heavy.json', PROJECT), 'utf8')) as Record<string, string>)
  t.same(heavy.filter(([file, reason]) => !existsSync(new URL(file, PROJECT)) || reason === ''), [])
})

t.test('who asks for files gets them from either set, and is told of what is none', async (t) => {
  t.same(findTestFiles({ set: 'suite', wanted: ['test/heavy.test.ts', 'test/chaos/', './test/heavy.test.ts'] }), ['test/heavy.test.ts', 'test/chaos/chaos.test.ts'])
  t.throws(() => findTestFiles({ set: 'suite', wanted: ['test/nowhere'] }), /test\/nowhere: no test file/)
})
