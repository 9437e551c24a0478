import t from 'tap'
import type { Authorizer } from '../../src/access/authorizer.js'
import { createOnlyIssuerAuthorizer } from '../../src/access/only-issuer.js'
import { identityOf } from './identity-of.js'

t.test('the users of named issuers are asked about, another issuer\'s see nothing, whatever their sub', async (t) => {
  let asked = 0
  let closed = false
  const inner: Authorizer = {
    local: false,
    async visible (_identity, _token, { agents }) {
      asked += 1
      return { agents: agents === '*' ? ['all'] : agents, tasks: [] }
    },
    forget () {},
    async close () { closed = true }
  }
  const authorizer = createOnlyIssuerAuthorizer(new Set(['main', 'second']), inner)
  t.equal(authorizer.local, false)
  const question = { agents: ['a1'], tasks: [] }
  t.same(await authorizer.visible(identityOf('alice'), '', question, { fresh: true }), { agents: ['a1'], tasks: [] })
  for (const asking of [question, { agents: '*', tasks: '*' }] as const) {
    const stranger = identityOf('alice', {}, { issuer: 'other' })
    t.same(await authorizer.visible(stranger, '', asking, { fresh: true }), { agents: [], tasks: [], because: 'access_issuer' }, 'and operators hear why')
  }
  t.same(await authorizer.visible(identityOf('bob', {}, { issuer: 'second' }), '', question, { fresh: true }), { agents: ['a1'], tasks: [] })
  t.equal(asked, 2)
  await authorizer.close()
  t.ok(closed)
})
