import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findNewerSource } from '../src/stale-build.js'

t.test('a source that is newer than what was built of it is named; an older one, and what is no source, is not', async (t) => {
  const root = t.testdir({ src: { 'a.ts': '', limits: { 'b.lua': '' }, 'notes.md': '' }, dist: { '.tsbuildinfo': '', limits: { 'b.lua': '' } } })
  const touch = (file: string, atS: number): void => { utimesSync(join(root, file), atS, atS) }
  for (const file of ['src/a.ts', 'src/limits/b.lua']) touch(file, 100)
  for (const file of ['dist/.tsbuildinfo', 'dist/limits/b.lua']) touch(file, 200)
  touch('src/notes.md', 900)
  t.equal(findNewerSource(root), null)
  touch('src/limits/b.lua', 300)
  t.equal(findNewerSource(root), 'src/limits/b.lua')
  touch('dist/limits/b.lua', 400)
  t.equal(findNewerSource(root), null, 'the compiler had nothing to do')
  touch('src/a.ts', 300)
  t.equal(findNewerSource(root), 'src/a.ts')
})

t.test('where there are no sources, or no build, nothing is said', async (t) => {
  t.equal(findNewerSource(t.testdir({ dist: { '.tsbuildinfo': '' } })), null)
  t.equal(findNewerSource(t.testdir({ src: { 'a.ts': '' } })), null)
})
