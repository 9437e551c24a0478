import t from 'tap'
import { smallest } from '../../src/collections/smallest.js'

t.test('the smallest are found, in order, whatever order they come in', async (t) => {
  const numbers = Array.from({ length: 1000 }, (_, n) => n * 7919 % 1000)
  const key = (n: number): string => String(n).padStart(4, '0')
  const sorted = numbers.toSorted((a, b) => a - b)
  for (const limit of [1, 2, 3, 99, 500, 1000, 2000]) {
    for (const order of [numbers, sorted, sorted.toReversed()]) t.same(smallest(order, limit, key), sorted.slice(0, limit), String(limit))
  }
  t.same(smallest([], 5, key), [])
})
