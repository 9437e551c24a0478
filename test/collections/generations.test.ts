import t from 'tap'
import { createGenerations } from '../../src/collections/generations.js'

t.test('a change is one of its key alone, or of all', async (t) => {
  const generations = createGenerations()
  const [alice, bob] = [generations.of('alice'), generations.of('bob')]
  generations.bump('alice')
  t.not(generations.of('alice'), alice)
  t.equal(generations.of('bob'), bob)
  const changed = generations.of('alice')
  generations.bump(null)
  for (const [key, old] of [['alice', changed], ['alice', alice], ['bob', bob]] as const) t.not(generations.of(key), old, key)
})

t.test('no change is ever missed, however many keys change meanwhile', async (t) => {
  const generations = createGenerations(100)
  const keys = Array.from({ length: 1000 }, (_, n) => `user${n}`)
  const before = new Map(keys.map(key => [key, generations.of(key)]))
  const missed: string[] = []
  for (const key of keys) {
    generations.bump(key)
    if (generations.of(key) === before.get(key)) missed.push(key)
  }
  t.same(keys.filter(key => generations.of(key) === before.get(key)), missed)
  t.same(missed, [])
})
