// The table of cases in packages/client/cases, which clients in other languages pass as well.
import t from 'tap'
import { readCaseFiles } from './case-files.js'
import { playCase } from './play-case.js'
import { createPages } from './played-page.js'

for (const [file, cases] of readCaseFiles()) {
  t.test(file, async (t) => {
    t.ok(cases.length > 0)
    for (const played of cases) {
      await t.test(played.name, async (t) => { await playCase(t, played, createPages()) })
    }
  })
}
