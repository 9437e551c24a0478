import t from 'tap'
import { breakNothing } from './seeds.js'

// The first five hundred are the suite's.
t.test('fifteen hundred seeds more break no promise', async t => { await breakNothing(t, 501, 2000) })
