import t from 'tap'
import { createHeldBack } from '../../src/http/held-back.js'

t.test('a bounded number of answers waits at once, and a place is free again once one is told', async (t) => {
  const heldBack = createHeldBack({ max: 2, delayMs: 1 })
  // What waits holds no process open.
  const open = setInterval(() => {}, 1000)
  t.teardown(() => { clearInterval(open) })
  const waiting = [heldBack.wait(), heldBack.wait()]
  t.equal(heldBack.wait(), null, 'no timer for the third')
  for (const one of waiting) await one
  t.not(heldBack.wait(), null)
})
