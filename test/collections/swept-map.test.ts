import t from 'tap'
import { SweptMap } from '../../src/collections/swept-map.js'

class Purse { constructor (readonly name: string) {} size = 0 }

t.test('a value stays while it is in use, and is found again when it was empty for a moment', async (t) => {
  const map = new SweptMap(name => new Purse(name))
  t.equal(map.get('a'), undefined)
  const a = map.open('a')
  a.size = 1
  t.equal(map.open('a'), a)
  a.size = 0
  map.noteEmpty()
  t.equal(map.get('a'), a)
  t.same([...map.all()].map(({ name }) => name), ['a'])
})

t.test('a million names pass through and leave a few thousand; those in use are never swept', async (t) => {
  const map = new SweptMap(name => new Purse(name))
  const kept = Array.from({ length: 100 }, (_, n) => map.open(`kept ${n}`))
  for (const one of kept) one.size = 1
  let most = 0
  for (let n = 0; n < 1_000_000; n++) {
    const one = map.open(`name ${n}`)
    one.size = 1
    one.size = 0
    map.noteEmpty()
    most = Math.max(most, map.size)
  }
  t.ok(most <= 8192 + 100, `${most} at most`)
  t.ok(kept.every(one => map.get(one.name) === one))
})

t.test('the empty ones are at most as many as those in use, once they are many', async (t) => {
  const map = new SweptMap(name => new Purse(name))
  const inUse = Array.from({ length: 50_000 }, (_, n) => map.open(String(n)))
  for (const one of inUse) one.size = 1
  for (const one of inUse.slice(0, 30_000)) {
    one.size = 0
    map.noteEmpty()
  }
  t.ok(map.size < 2 * 20_000 + 8192, `${map.size}`)
  t.ok(inUse.slice(30_000).every((one, n) => map.get(String(30_000 + n)) === one))
})
