import fc from 'fast-check'
import t from 'tap'
import { SmallMap, SmallSet } from '../../src/collections/one-or-several.js'

interface Item { readonly key: string, readonly value: number }

class Items extends SmallMap<string, Item> {
  protected override keyOf ({ key }: Item): string { return key }
}

const KEYS = ['a', 'b', 'c'] as const
const step = fc.record({ key: fc.constantFrom(...KEYS), value: fc.nat(9), does: fc.constantFrom('add', 'remove') })

t.test('a small map does what a Map does, step by step', async (t) => {
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const [small, plain] = [new Items(), new Map<string, Item>()]
    return steps.every(({ key, value, does }) => {
      if (does === 'add') {
        const item = { key, value }
        small.add(item)
        plain.set(key, item)
      } else if (small.remove(key) !== plain.delete(key)) {
        return false
      }
      const [mine, theirs] = [[...small.members()], [...plain.values()]]
      return small.size === plain.size && KEYS.every((one) => small.has(one) === plain.has(one)) &&
        mine.length === theirs.length && mine.every((item, at) => item === theirs[at])
    })
  }))
  t.pass()
})

t.test('a small set does what a Set does, step by step', async (t) => {
  const values = KEYS.map((key) => ({ key }))
  const setStep = fc.record({ at: fc.nat(2), does: fc.constantFrom('add', 'remove') })
  fc.assert(fc.property(fc.array(setStep, { maxLength: 12 }), (steps) => {
    const [small, plain] = [new SmallSet<object>(), new Set<object>()]
    return steps.every(({ at, does }) => {
      const value = values[at] ?? {}
      if (does === 'add') {
        small.add(value)
        plain.add(value)
      } else if (small.remove(value) !== plain.delete(value)) {
        return false
      }
      const [mine, theirs] = [[...small.members()], [...plain]]
      return small.size === plain.size && values.every((one) => small.has(one) === plain.has(one)) &&
        mine.length === theirs.length && mine.every((one, n) => one === theirs[n])
    })
  }))
  t.pass()
})

t.test('one value needs no collection, the second makes it, and it is made once', async (t) => {
  let made = 0
  class Counted extends SmallSet<object> {
    protected override makeCollection (): Set<object> {
      made++
      return super.makeCollection()
    }
  }
  const set = new Counted()
  const [one, other] = [{}, {}]
  for (const value of [one, one]) set.add(value)
  set.remove(one)
  set.add(other)
  t.equal(made, 0)
  set.add(one)
  t.equal(made, 1)
  set.remove(one)
  set.remove(other)
  for (const value of [one, other]) set.add(value)
  t.equal(made, 1)
})

t.test('what is removed while the members are gone through is not met any more', async (t) => {
  const values = [{}, {}, {}]
  const set = new SmallSet<object>()
  for (const value of values) set.add(value)
  let met = 0
  for (const value of set.members()) {
    met++
    for (const other of values) if (other !== value) set.remove(other)
  }
  t.equal(met, 1)
  t.equal(set.size, 1)
})
