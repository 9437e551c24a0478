import t from 'tap'
import { createExits } from '../../src/gateway/exits.js'

t.test('what was opened last is closed first, one after the other, once', async (t) => {
  const exits = createExits()
  const closed: string[] = []
  exits.add((reason) => { closed.push(`log ${String(reason)}`) })
  exits.add(async () => {
    await new Promise((resolve) => { setImmediate(resolve) })
    closed.push('socket')
  })
  exits.add(() => { closed.push('timer') })
  t.equal(exits.closed, false)
  await Promise.all([exits.closeAll('over'), exits.closeAll('again')])
  t.equal(exits.closed, true)
  t.same(closed, ['timer', 'socket', 'log over'])
})

t.test('one that fails keeps none of the others open', async (t) => {
  const exits = createExits()
  const closed: string[] = []
  exits.add(() => { closed.push('log') })
  exits.add(() => { throw new Error('stuck') })
  exits.add(async () => { throw new Error('first') })
  await t.rejects(exits.closeAll(null), /first/)
  t.same(closed, ['log'])
})
