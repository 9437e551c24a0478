import t from 'tap'
import { breakNothing } from './seeds.js'

// The first two hundred and fifty are the suite's.
t.test('seventeen hundred and fifty seeds more break no promise', async t => { await breakNothing(t, 251, 2000) })
