import t from 'tap'
import { createClaimsAuthorizer } from '../../src/access/claims-authorizer.js'
import type { Asked, Visible } from '../../src/access/authorizer.js'
import { identityOf } from './identity-of.js'

const authorizer = createClaimsAuthorizer()

function visible (claims: Record<string, unknown>, asked: Asked, insecure = false): Visible {
  const answer = authorizer.visible(identityOf('alice', claims, { insecure }), 'unused', asked, { fresh: false })
  if (answer instanceof Promise) throw new Error('the claims authorizer must answer at once')
  return answer
}

t.test('it answers at once, from the token alone', async (t) => {
  t.equal(authorizer.local, true)
  t.same(visible({ agents: ['a1', 'a2'], tasks: ['t1'] }, { agents: ['a2', 'a9'], tasks: ['t1', 't2'] }), { agents: ['a2'], tasks: ['t1'] })
})

t.test('the agents of a token say nothing of its tasks', async (t) => {
  t.same(visible({ agents: ['x'] }, { agents: ['x'], tasks: ['x'] }), { agents: ['x'], tasks: [] })
  t.same(visible({ tasks: '*' }, { agents: ['x'], tasks: ['x'] }), { agents: [], tasks: ['x'] })
})

t.test('all that is listed in the token is what "*" asks for, each id once', async (t) => {
  t.same(visible({ agents: ['a1', 'a2', 'a1'] }, { agents: '*', tasks: '*' }), { agents: ['a1', 'a2'], tasks: [] })
})

t.test('a right to everything allows any id and cannot be listed', async (t) => {
  for (const everything of ['*', ['*']]) {
    t.same(visible({ agents: everything }, { agents: ['any'], tasks: [] }), { agents: ['any'], tasks: [] })
    t.same(visible({ agents: everything, tasks: ['t1'] }, { agents: '*', tasks: '*' }), { agents: [], tasks: ['t1'], unlistable: true })
  }
})

t.test('an absent or malformed claim allows nothing', async (t) => {
  for (const claim of [undefined, null, 7, true, 'a1', 'a1,a2', '**', '', {}, { a1: true }, [], [['a1']], [['*']], ['*', '*']]) {
    const { because: _, ...seen } = visible({ agents: claim, tasks: claim }, { agents: ['a1', '*'], tasks: '*' })
    t.same(seen, { agents: [], tasks: [] }, JSON.stringify(claim))
  }
})

t.test('entries that are no ids are ignored, the others count', async (t) => {
  const long = 'x'.repeat(128)
  const claim = ['a1', '*', '', 'a b', 'a\n', 'a/b', 7, null, ['a2'], 'x'.repeat(129), long, '__proto__']
  t.same(visible({ agents: claim }, { agents: '*', tasks: [] }).agents, ['a1', long, '__proto__'])
})

t.test('a claim of the wrong type is named, with what it is, to operators', async (t) => {
  const say = (agents: unknown): string | undefined => visible({ agents, tasks: ['t1'] }, { agents: ['a1'], tasks: ['t1'] }).because
  t.equal(say('a1'), 'claim_type: agents is "a1", wanted is a list of ids, or "*"')
  t.equal(say({ a1: true }), 'claim_type: agents is an object, wanted is a list of ids, or "*"')
  t.equal(say(null), 'claim_type: agents is null, wanted is a list of ids, or "*"')
  t.equal(say([1, 2]), 'claim_type: agents has an entry that is no id, 1: wanted is a list of ids, or "*"')
  t.equal(say(['*', 'a2']), 'claim_type: agents has an entry that is no id, "*": wanted is a list of ids, or "*"')
  for (const good of [undefined, [], ['a2'], ['a1', 7], '*', ['*']]) t.equal(say(good), undefined, JSON.stringify(good))
  t.equal(visible({ agents: 'a1', tasks: ['t1'] }, { agents: [], tasks: ['t9'] }).because, undefined, 'it was not asked for')
  t.equal(visible({ agents: 'a1' }, { agents: ['a1'], tasks: [] }, true).because, undefined, 'an anonymous connection has no claims')
})

t.test('an anonymous break-glass connection has no rights whatever its claims say', async (t) => {
  t.same(visible({ agents: '*', tasks: ['t1'] }, { agents: ['a1'], tasks: '*' }, true), { agents: [], tasks: [] })
})

t.test('two identities never share rights', async (t) => {
  const one = identityOf('alice', { agents: ['a1'] })
  const two = identityOf('alice', { agents: ['a2'] })
  for (const [identity, id] of [[one, 'a1'], [two, 'a2'], [one, 'a1']] as const) {
    t.same(authorizer.visible(identity, '', { agents: ['a1', 'a2'], tasks: [] }, { fresh: true }), { agents: [id], tasks: [] })
  }
  await authorizer.close()
})
