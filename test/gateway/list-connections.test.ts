import t from 'tap'
import type { Question } from '../../src/control/roll-call.js'
import { joinParts } from '../../src/gateway/list-connections.js'
import type { ListedConnection } from '../../src/gateway/operations.js'

const listed = (id: string): ListedConnection => ({
  connection_id: id,
  user_id: 'alice',
  issuer: 'oidc',
  node: 'n',
  ip: '192.0.2.1',
  path: '/ws',
  opened_at: '2026-01-01T00:00:00.000Z',
  expires_at: '2026-01-01T00:05:00.000Z',
  topics: 1,
  messages_in: 0,
  messages_out: 1
})
/** A process that has these connections, as this version answers. */
function partOf (ids: readonly string[], { after, limit }: Question): { entries: ListedConnection[], more: boolean } {
  const asked = ids.toSorted().filter(id => after === null || id > after)
  return { entries: asked.slice(0, limit).map(listed), more: asked.length > limit }
}

t.test('the pages of several processes hold each connection once, in one order', async (t) => {
  const nodes = [['a1', 'a2', 'c1', 'z9'], [], ['a3', 'b1', 'b2', 'b3', 'b4'], ['a0']]
  for (const limit of [1, 2, 3, 5, 9, 10, 50]) {
    const seen: string[] = []
    let after: string | null = null
    do {
      const question: Question = { subject: null, after, limit }
      const page = joinParts({ parts: nodes.map(ids => partOf(ids, question)), missing: 0 }, question)
      t.ok(page.connections.length <= limit && (page.connections.length > 0 || page.next === null))
      seen.push(...page.connections.map(({ connection_id: id }) => id))
      after = page.next
    } while (after !== null)
    t.same(seen, nodes.flat().toSorted(), String(limit))
  }
})

t.test('a part that was cut short ends the page: what it left out comes next', async (t) => {
  const question: Question = { subject: null, after: null, limit: 10 }
  const cut = { entries: [listed('a1')], more: true }
  const page = joinParts({ parts: [cut, partOf(['a2', 'b1'], question)], missing: 1 }, question)
  t.same(page.connections.map(({ connection_id: id }) => id), ['a1'])
  t.equal(page.next, 'a1')
  t.equal(page.missingNodes, 1)
})

t.test('a process of the version before, which gives all of a user in no order, is heard', async (t) => {
  const old = { entries: ['b2', 'a1', 'c3'].map(listed), more: false }
  const first = joinParts({ parts: [old], missing: 0 }, { subject: 'alice', after: null, limit: 2 })
  t.same(first.connections.map(({ connection_id: id }) => id), ['a1', 'b2'])
  const second = joinParts({ parts: [old], missing: 0 }, { subject: 'alice', after: first.next, limit: 2 })
  t.same([second.connections.map(({ connection_id: id }) => id), second.next], [['c3'], null])
})
