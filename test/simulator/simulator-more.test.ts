import t from 'tap'
import { breakNothing } from './seeds.js'

// In a file of its own: a process of its own runs it, on the other core.
t.test('the second thousand seeds break no promise', async t => { await breakNothing(t, 1001, 2000) })
