import t from 'tap'
import type { Authorizer, Visible } from '../../src/access/authorizer.js'
import { authorize, isGranted, MAX_TOPICS } from '../../src/connection/authorize.js'
import { identityOf } from '../access/identity-of.js'

const ALICE = identityOf('alice')
const sees = (visible: Visible, asked: unknown[] = []): Authorizer => ({
  local: true,
  visible: (identity, token, what, options) => { asked.push([identity.userId, token, what, options]); return visible },
  forget: () => {},
  close: async () => {}
})
const later = (visible: Visible): Authorizer => ({ local: false, visible: async () => visible, forget: () => {}, close: async () => {} })
const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `id${index}`)

t.test('who asks for nothing gets nothing, and nobody is asked', async (t) => {
  const asked: unknown[] = []
  t.same(authorize(sees({ agents: ['a'], tasks: ['t'] }, asked), ALICE, 'tok', { agents: null, tasks: null }), { agents: [], tasks: [] })
  t.same(asked, [])
})

t.test('what is asked for is granted when all of it is visible', async (t) => {
  const asked: unknown[] = []
  const granted = authorize(sees({ agents: ['a', 'b'], tasks: [] }, asked), ALICE, 'tok', { agents: ['b', 'a'], tasks: null })
  t.same(granted, { agents: ['a', 'b'], tasks: [] })
  t.same(asked, [['alice', 'tok', { agents: ['b', 'a'], tasks: [] }, { fresh: false }]])
})

t.test('one id that may not be seen, or is not there, refuses the whole', async (t) => {
  for (const filters of [{ agents: ['a', 'x'], tasks: null }, { agents: ['a'], tasks: ['x'] }, { agents: '*', tasks: ['x'] }] as const) {
    t.match(await authorize(sees({ agents: ['a'], tasks: [] }), ALICE, '', filters), { name: 'forbidden' })
    t.match(await authorize(later({ agents: ['a'], tasks: [] }), ALICE, '', filters), { name: 'forbidden' })
  }
})

t.test('a refusal tells operators more where the authorizer does, and clients the same', async (t) => {
  const because = 'claim_type: agents is "x"'
  t.match(await authorize(sees({ agents: [], tasks: [], because }), ALICE, '', { agents: ['x'], tasks: null }), { name: 'forbidden', message: 'not allowed, or no such thing', detail: because })
  t.match(await authorize(sees({ agents: [], tasks: [] }), ALICE, '', { agents: ['x'], tasks: null }), { detail: 'access' })
})

t.test('an id counts only for its own kind', async (t) => {
  t.match(await authorize(sees({ agents: ['x'], tasks: [] }), ALICE, '', { agents: null, tasks: ['x'] }), { name: 'forbidden' })
})

t.test('everything is what is visible now, also when that is nothing', async (t) => {
  t.same(await authorize(later({ agents: ['a'], tasks: [] }), ALICE, '', { agents: '*', tasks: '*' }), { agents: ['a'], tasks: [] })
})

t.test('a thousand topics are granted, one more is refused and never cut short', async (t) => {
  const [half, rest] = [numbered(MAX_TOPICS / 2), numbered(MAX_TOPICS / 2)]
  t.ok(isGranted(await authorize(sees({ agents: half, tasks: rest }), ALICE, '', { agents: '*', tasks: '*' })))
  t.match(await authorize(sees({ agents: half, tasks: [...rest, 'one'] }), ALICE, '', { agents: '*', tasks: '*' }), { name: 'bad_request' })
})

t.test('everything of a right that cannot be listed is a bad request', async (t) => {
  t.match(await authorize(sees({ agents: [], tasks: [], unlistable: true }), ALICE, '', { agents: '*', tasks: null }), { name: 'bad_request' })
})

t.test('it answers at once exactly when the authorizer does', async (t) => {
  const filters = { agents: ['a'], tasks: null }
  t.notOk(authorize(sees({ agents: ['a'], tasks: [] }), ALICE, '', filters) instanceof Promise)
  t.ok(authorize(later({ agents: ['a'], tasks: [] }), ALICE, '', filters) instanceof Promise)
})

t.test('an authorizer that cannot answer grants nothing', async (t) => {
  const away: Authorizer = { local: false, visible: async () => { throw new Error('away') }, forget: () => {}, close: async () => {} }
  await t.rejects(Promise.resolve(authorize(away, ALICE, '', { agents: ['a'], tasks: null })), { message: 'away' })
})
