import { readFileSync } from 'node:fs'
import t from 'tap'
import { PROJECT } from '../support/root.js'
import { titlesIn } from '../support/test-titles.js'

/** For each item of the threat list, by group: the tests that fail without its defence, as `[file, title]`. */
type Coverage = Readonly<Record<string, Readonly<Record<string, ReadonlyArray<readonly [string, string]>>>>>

const coverage = JSON.parse(readFileSync(new URL('test/attacks/coverage.json', PROJECT), 'utf8')) as Coverage
const GROUPS = { token: 40, keys: 15, upgrade: 14, limits: 20, frames: 18, access: 13, issuers: 4, operations: 7, word: 18 }

t.test('every group of threats is there, with its items', async (t) => {
  t.same(Object.keys(coverage), Object.keys(GROUPS))
  for (const [group, least] of Object.entries(GROUPS)) {
    const count = Object.keys(coverage[group] ?? {}).length
    t.ok(count >= least, `${group} has ${count} items`)
  }
})

t.test('every item names a test that is there', async (t) => {
  const known = new Map<string, readonly string[]>()
  for (const [item, proofs] of Object.entries(coverage).flatMap(([group, items]) => Object.entries(items).map(([item, proofs]) => [`${group}: ${item}`, proofs] as const))) {
    if (proofs.length === 0) t.fail(`${item} names none`)
    for (const [file, title] of proofs) {
      const titles = known.get(file) ?? titlesIn(file)
      known.set(file, titles)
      if (!titles.includes(title)) t.fail(`${item}: ${file} has no test '${title}'`)
    }
  }
  t.ok(known.size > 30, `${known.size} files are named`)
})
