import { readFileSync } from 'node:fs'
import t from 'tap'
import { PROJECT } from '../support/root.js'
import { forbidAmbient } from './ambient.js'
import { PLANTED_BUGS } from './planted-bugs.js'
import { spoil } from './planted.js'
import { breakNothing } from './seeds.js'
import { simulate } from './simulation.js'

// The others are a heavy file's.
t.test('the first two hundred and fifty seeds break no promise', async t => { await breakNothing(t, 1, 250) })

t.test('a seed replays exactly', async (t) => {
  for (const seed of [3, 7, 11]) {
    const [first, second] = [await simulate(seed, { keptLines: 10 }), await simulate(seed, { keptLines: 10 })]
    t.equal(first.digest, second.digest)
    t.same(first.lines, second.lines)
    t.ok(first.lines.length > 0)
  }
  t.not((await simulate(3, { keptLines: 10 })).digest, (await simulate(7, { keptLines: 10 })).digest)
})

t.test('nothing but the world has a clock, timers or chance for what is simulated', async (t) => {
  const allow = forbidAmbient()
  try {
    t.throws(() => Date.now(), /not the world's/)
    t.throws(() => Math.random(), /not the world's/)
    t.throws(() => setTimeout(() => {}, 1), /not the world's/)
  } finally {
    allow()
  }
  t.type(Date.now(), 'number')
})

t.test('each planted bug has its place in the build as it is', async (t) => {
  const misfits = PLANTED_BUGS.filter((bug) => {
    try {
      return spoil(bug, file => readFileSync(new URL(`dist/${file}`, PROJECT), 'utf8')).size === 0
    } catch {
      return true
    }
  })
  t.same(misfits.map(({ name }) => name), [])
})
