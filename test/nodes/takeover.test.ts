import t from 'tap'
import { createTakeover, type LostConnection } from '../../src/nodes/takeover.js'
import type { ClaimedPage } from '../../src/nodes/node-store.js'
import { until } from '../support/until.js'

const page = (cursor: string | null, ...ids: string[]): ClaimedPage =>
  ({ cursor, seenAtMs: 7, records: ids.map(connectionId => ({ connectionId, record: `record of ${connectionId}` })) })

/** Claims from nodes whose pages are given; a page is taken once. */
function start (nodes: Record<string, ClaimedPage[]>, mayClaim: { untilMs: number | null }) {
  const found: LostConnection[] = []
  const delisted: string[] = []
  const asked = { looks: 0, until: [] as number[] }
  const takeover = createTakeover({
    store: {
      findLost: async () => { asked.looks++; return Object.keys(nodes).filter(node => !delisted.includes(node)) },
      claim: async (node, goodUntilMs) => { asked.until.push(goodUntilMs); return nodes[node]?.shift() ?? null },
      delist: async (node) => { delisted.push(node) }
    },
    heartbeat: { mayClaimUntilMs: () => mayClaim.untilMs },
    leaseMs: 30,
    now: () => performance.now(),
    onLost: (lost) => { found.push(lost) }
  })
  takeover.start()
  return { takeover, found, delisted, asked }
}

t.test('every page of every lost node is claimed, and then the node is taken off the index', async (t) => {
  const { takeover, found, delisted, asked } = start({ one: [page('5', 'a', 'b'), page(null, 'c')], two: [page(null)] }, { untilMs: 99 })
  await until('both are taken off the index', () => delisted.length === 2)
  await takeover.stop()
  t.same(found.map(({ node, connectionId, record, seenAtMs }) => [node, connectionId, record, seenAtMs]), [
    ['one', 'a', 'record of a', 7], ['one', 'b', 'record of b', 7], ['one', 'c', 'record of c', 7]
  ])
  t.same([...new Set(asked.until)], [99])
})

t.test('a node that comes back in the midst of it is not taken off the index', async (t) => {
  const { takeover, found, delisted, asked } = start({ one: [page('5', 'a')] }, { untilMs: 99 })
  await until('it was looked at again', () => asked.looks > 2)
  await takeover.stop()
  t.same(found.map(({ connectionId }) => connectionId), ['a'])
  t.same(delisted, [])
})

t.test('who does not know who is lost neither asks nor claims, and goes on once it knows', async (t) => {
  const mayClaim: { untilMs: number | null } = { untilMs: null }
  const { takeover, found, asked, delisted } = start({ one: [page(null, 'a')] }, mayClaim)
  const startedAtMs = performance.now()
  await until('some looks have passed', () => performance.now() - startedAtMs > 50)
  t.equal(asked.looks, 0)
  mayClaim.untilMs = 1
  await until('it is taken off the index', () => delisted.length === 1)
  await takeover.stop()
  t.equal(found.length, 1)
})

t.test('a node whose records cannot be read keeps no other lost node from being claimed, and goes off the index if they never can be', async (t) => {
  const failing = (message: string) => ({ shift: () => { throw new Error(message) } }) as unknown as ClaimedPage[]
  const nodes = { foreign: failing('WRONGTYPE Operation against a key'), odd: failing('ERR odd'), denied: failing('NOPERM no'), last: [page(null, 'z')] }
  const { takeover, found, delisted, asked } = start({ foreign: nodes.foreign, odd: nodes.odd, last: nodes.last }, { untilMs: 1 })
  await until('the last one is claimed', () => delisted.includes('last'))
  await until('it was looked at again', () => asked.looks > 2)
  await takeover.stop()
  t.same(found.map(({ connectionId }) => connectionId), ['z'])
  t.same(delisted, ['foreign', 'last'])
  const other = start({ denied: nodes.denied }, { untilMs: 1 })
  await until('it was looked at', () => other.asked.looks > 2)
  await other.takeover.stop()
  t.same(other.delisted, [], 'another process may have the right')
})

t.test('a turn ends after so many pages, so that a fault in what is read cannot keep a process busy', async (t) => {
  const endless: ClaimedPage[] = Array.from({ length: 1200 }, () => page('5'))
  const { takeover, asked } = start({ one: endless }, { untilMs: 1 })
  await until('all were read', () => endless.length === 0)
  t.ok(asked.looks >= 3)
  await takeover.stop()
})

t.test('a claim that Redis has forgotten, as a replica that takes over may, is made again without a second line', async (t) => {
  const { takeover, found, delisted } = start({ one: [page('5', 'a', 'b'), page(null, 'a', 'c')], two: [page(null, 'b', 'd')] }, { untilMs: 99 })
  await until('both are taken off the index', () => delisted.length === 2)
  await takeover.stop()
  t.same(found.map(({ connectionId }) => connectionId), ['a', 'b', 'c', 'd'])
})
