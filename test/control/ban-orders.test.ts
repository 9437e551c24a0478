import t, { type Test } from 'tap'
import { createBanOrders, type BanOrders } from '../../src/control/ban-orders.js'
import { until } from '../support/until.js'

interface Bench {
  readonly orders: BanOrders
  readonly asked: Array<readonly [string, number]>
  readonly held: string[]
  away: boolean
  nowMs: number
}

function setUp (t: Test): Bench {
  const bench = { asked: [] as Array<readonly [string, number]>, held: [] as string[], away: false, nowMs: 1_000_000 }
  const orders = createBanOrders({
    order: async (address, durationMs) => {
      bench.asked.push([address, durationMs])
      if (bench.away) throw new Error('away')
    },
    durationMs: 60_000,
    onHeld: (address) => { bench.held.push(address) },
    retryMs: 5,
    now: () => bench.nowMs
  })
  t.teardown(orders.close)
  return Object.assign(bench, { orders })
}

t.test('a ban that can be kept is ordered once and held nowhere else', async (t) => {
  const bench = setUp(t)
  bench.orders.ban('a')
  await new Promise((resolve) => setImmediate(resolve))
  t.same(bench.asked, [['a', 60_000]])
  t.same(bench.held, [])
  t.equal(bench.orders.bannedForMs('a'), 0)
})

t.test('one that cannot be kept is in force here, and ordered for what is left of it when it can', async (t) => {
  const bench = setUp(t)
  bench.away = true
  bench.orders.ban('a')
  bench.orders.ban('b')
  await until('both are held', () => bench.held.length === 2)
  t.equal(bench.orders.bannedForMs('a'), 60_000)
  t.equal(bench.orders.bannedForMs('c'), 0)
  bench.nowMs += 20_000
  bench.away = false
  bench.asked.length = 0
  await until('both are ordered', () => bench.orders.bannedForMs('a') + bench.orders.bannedForMs('b') === 0)
  t.same(bench.asked.slice(-2), [['a', 40_000], ['b', 40_000]])
})

t.test('one that ends before it can be kept is never ordered', async (t) => {
  const bench = setUp(t)
  bench.away = true
  bench.orders.ban('a')
  await until('it is held', () => bench.held.length === 1)
  bench.nowMs += 60_000
  t.equal(bench.orders.bannedForMs('a'), 0)
  bench.orders.ban('b')
  await until('the other is held', () => bench.held.length === 2)
  bench.asked.length = 0
  await until('it is tried again', () => bench.asked.length > 2)
  t.notOk(bench.asked.some(([address]) => address === 'a'))
})

t.test('after the end nothing is held or tried again', async (t) => {
  const bench = setUp(t)
  bench.away = true
  bench.orders.ban('a')
  bench.orders.close()
  await new Promise((resolve) => setImmediate(resolve))
  t.same(bench.held, [])
  t.equal(bench.asked.length, 1)
})
