import t from 'tap'
import { planDescriptors } from '../../src/descriptors/budget.js'
import { createDescriptorWatch } from '../../src/descriptors/watch.js'

/** A table of descriptors as the system keeps it: the lowest free one is given out. */
function createTable (limit: number) {
  const used = new Set<number>()
  return {
    used,
    take: (): number => {
      for (let n = 0; n < limit; n++) {
        if (used.has(n)) continue
        used.add(n)
        return n
      }
      throw new Error('EMFILE')
    },
    give: (descriptor: number): void => { used.delete(descriptor) },
    free: (): number => limit - used.size
  }
}

t.test('the door is shut before the last descriptor is gone, and opened again when there is room', async (t) => {
  const limit = 128
  const table = createTable(limit)
  const told: string[] = []
  let nowMs = 0
  const budget = planDescriptors(limit, 50_000)
  const watch = createDescriptorWatch({
    budget,
    take: table.take,
    give: table.give,
    now: () => nowMs,
    onFull: () => { told.push('full') },
    onFree: () => told.push('free') > 0
  })
  watch.start()
  t.teardown(watch.stop)
  t.equal(table.free(), limit - budget.reserve, 'the reserve is held')
  const look = (atMs: number): string[] => {
    nowMs = atMs
    watch.look()
    return told.splice(0)
  }
  const sockets = Array.from({ length: 100 }, table.take)
  t.same(look(100), [])
  while (table.free() > budget.reserve) sockets.push(table.take())
  t.same(look(200), ['full'])
  t.equal(table.free(), 2 * budget.reserve, 'the reserve is for others now')
  t.same(look(300), [])
  table.give(sockets[0] ?? -1)
  t.same(look(2000), [], 'one that leaves is no room, though it is the lowest')
  for (const socket of sockets.slice(1, 50)) table.give(socket)
  t.same(look(1100), [], 'a second at least')
  t.same(look(2100), ['free'])
  t.same(look(2200), [])
  watch.stop()
  t.equal(table.free(), limit - (sockets.length - 50), 'nothing is kept')
})

t.test('a table that fills between two looks gives its reserve to others as well', async (t) => {
  const table = createTable(64)
  let isFull = false
  const watch = createDescriptorWatch({
    budget: planDescriptors(64, 50_000), take: table.take, give: table.give, onFull: () => { isFull = true }, onFree: () => true
  })
  watch.start()
  t.teardown(watch.stop)
  while (table.free() > 0) table.take()
  watch.look()
  t.ok(isFull)
  t.equal(table.free(), 8)
})
