import t from 'tap'
import type { Revocation } from '../../src/control/control.js'
import { createCarryOut } from '../../src/issuer-word/carry-out.js'
import { createSpentIds } from '../../src/issuer-word/spent-ids.js'

const ORDER: Revocation = { kind: 'sid', id: 's1', issuer: 'main', issuedBeforeMs: null }
const SAID = { id: 'j1', orders: [ORDER], aside: null }

/** A control whose Redis keeps, refuses, or never answers; timers that end at once where `isLate`. */
function setStage (revoke: () => Promise<void>, isLate = false) {
  const done: string[] = []
  const carryOut = createCarryOut({
    control: {
      revoke: async () => {
        done.push('revoke')
        await revoke()
      },
      hold: () => { done.push('hold') }
    },
    spent: createSpentIds({ client: null, prefix: '', keptMs: 60_000 }),
    timers: {
      after (_ms, call) {
        if (isLate) call()
        return () => {}
      }
    }
  })
  return { carryOut, done }
}

t.test('an order that is kept is not done twice', async (t) => {
  const { carryOut, done } = setStage(async () => {})
  t.equal(await carryOut(SAID, 'main'), 'kept')
  t.equal(await carryOut(SAID, 'main'), 'repeated')
  t.equal(await carryOut(SAID, 'other'), 'kept', 'the id is its issuer\'s own')
  t.same(done, ['revoke', 'revoke'])
})

t.test('an order that Redis does not keep is done here, and its id is not spent', async (t) => {
  const { carryOut, done } = setStage(async () => { throw new Error('away') })
  t.equal(await carryOut(SAID, 'main'), 'held')
  t.equal(await carryOut(SAID, 'main'), 'held')
  t.same(done, ['revoke', 'hold', 'revoke', 'hold'])
})

t.test('a slow Redis keeps nobody connected: the order is done here meanwhile', async (t) => {
  const { carryOut, done } = setStage(async () => {}, true)
  t.equal(await carryOut(SAID, 'main'), 'kept')
  t.same(done, ['hold', 'revoke'])
})

t.test('what orders nothing is spent as well', async (t) => {
  const { carryOut, done } = setStage(async () => {})
  t.equal(await carryOut({ id: 'j2', orders: [], aside: 'event_unknown' }, 'main'), 'kept')
  t.equal(await carryOut({ id: 'j2', orders: [], aside: 'event_unknown' }, 'main'), 'repeated')
  t.same(done, [])
})
