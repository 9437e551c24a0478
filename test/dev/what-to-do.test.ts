import t from 'tap'
import { whatToDo } from '../../src/dev/what-to-do.js'
import { REFUSALS, type RefusalName } from '../../src/refusals.js'

const NAMES = Object.keys(REFUSALS) as RefusalName[]

t.test('each refusal has advice, in sentences', async (t) => {
  t.same(NAMES.filter(name => !/^[A-Z].*\.?$/.test(whatToDo(name))), [])
})

t.test('who is to wait is told so, and nobody else', async (t) => {
  const waits = NAMES.filter(name => /\b[Ww]ait\b|delay/.test(whatToDo(name)))
  t.same(waits.filter(name => !['after the delay', 'with back-off'].includes(REFUSALS[name].reconnect)), [])
  t.equal(whatToDo('banned'), 'Wait for the stated delay, then try again.')
})

t.test('an end in order is no fault', async (t) => {
  t.equal(whatToDo('normal'), 'Nothing is wrong.')
})
