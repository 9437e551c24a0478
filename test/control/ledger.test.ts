import t from 'tap'
import { createLedger, type OrderRecord } from '../../src/control/ledger.js'
import type { KeptOrder } from '../../src/control/order-record.js'

const kept = (more: Partial<KeptOrder>): KeptOrder => ({ name: 'a', givenAtUs: 1, lifted: false, remainingMs: 1000, keptUntilMs: 1000, member: 'a', ...more })

function setUp (maxRecords = 100) {
  const clock = { nowMs: 0 }
  const changes: Array<readonly [string | undefined, string | undefined]> = []
  const say = (record: OrderRecord | undefined): string | undefined => record && `${record.name}${record.lifted ? '-' : '+'}${record.givenAtUs}`
  const ledger = createLedger(() => clock.nowMs, maxRecords, (before, after) => { changes.push([say(before), say(after)]) })
  return { clock, ledger, changes }
}

t.test('of an order and its taking back the later one counts, in whatever order they are learnt', async (t) => {
  const orders = [kept({ givenAtUs: 1 }), kept({ givenAtUs: 2, lifted: true }), kept({ givenAtUs: 3, remainingMs: 500 })]
  for (const learnt of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [2, 2, 1, 1, 0, 0]]) {
    const { ledger } = setUp()
    for (const n of learnt) ledger.learn(orders[n] as KeptOrder)
    t.match(ledger.get('a'), { givenAtUs: 3, lifted: false, endsAtMs: 500 }, learnt.join())
  }
})

t.test('of the same time the order counts, not its taking back', async (t) => {
  for (const both of [[true, false], [false, true]]) {
    const { ledger } = setUp()
    for (const lifted of both) ledger.learn(kept({ lifted }))
    t.equal(ledger.get('a')?.lifted, false)
  }
})

t.test('the same order read again does not end later than it was first known to, a taking back does', async (t) => {
  const { clock, ledger } = setUp()
  ledger.learn(kept({ remainingMs: 1000 }))
  clock.nowMs = 100
  ledger.learn(kept({ remainingMs: 1000, keptUntilMs: 1100 }))
  t.match(ledger.get('a'), { endsAtMs: 1000, keptUntilMs: 1100 })
  ledger.learn(kept({ givenAtUs: 2, lifted: true }))
  ledger.learn(kept({ givenAtUs: 2, lifted: true, remainingMs: 5000, keptUntilMs: 5100 }))
  t.match(ledger.get('a'), { endsAtMs: 5100 })
})

t.test('an order ends by itself; who follows the ledger hears of each change', async (t) => {
  const { clock, ledger, changes } = setUp()
  ledger.learn(kept({}))
  ledger.learn(kept({}))
  ledger.learn(kept({ givenAtUs: 2, lifted: true }))
  clock.nowMs = 1000
  t.equal(ledger.get('a'), undefined)
  ledger.sweep()
  t.same(changes, [[undefined, 'a+1'], ['a+1', 'a-2'], ['a-2', undefined]])
  t.equal(ledger.size(), 0)
})

t.test('a flood is bounded and does not push out what lasts longer', async (t) => {
  const { ledger } = setUp(1000)
  ledger.learn(kept({ name: 'operator', remainingMs: 1_000_000 }))
  let most = 0
  for (let n = 0; n < 20_000; n++) {
    ledger.learn(kept({ name: `a${n}`, remainingMs: 1000 + n % 7 }))
    most = Math.max(most, ledger.size())
  }
  t.ok(most <= 1000 && ledger.size() >= 900)
  t.equal(ledger.get('operator')?.endsAtMs, 1_000_000)
})

t.test('a taking back never ends before what this process knew would have', async (t) => {
  const { ledger } = setUp()
  ledger.learn(kept({ remainingMs: 5000 }))
  ledger.learn(kept({ givenAtUs: 2, lifted: true, remainingMs: 1000 }))
  t.equal(ledger.get('a')?.endsAtMs, 5000)
})
