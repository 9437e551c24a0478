import t from 'tap'
import { createRegistry } from '../../src/connection/registry.js'
import { createEndings } from '../../src/gateway/endings.js'
import { identityOf } from '../access/identity-of.js'
import { openTestSession } from '../connection/stand-ins.js'

t.test('an order to end a user visits her connections alone, and ends them all', async (t) => {
  const registry = createRegistry()
  const visited: string[] = []
  const endings = createEndings({
    ...registry,
    all: function * () { for (const session of registry.all()) { visited.push(session.connectionId); yield session } }
  })
  const [first, second, other] = [openTestSession('alice'), openTestSession('alice'), openTestSession('bob')]
  for (const { session } of [first, second, other]) registry.add(session)
  endings.endUser('alice')
  t.same([first, second, other].map(({ socket }) => socket.ended?.code ?? null), [4403, 4403, null])
  t.same(visited, [])
})

t.test('those without a token are ended by the name that they share, though each counts for its address', async (t) => {
  const registry = createRegistry()
  const endings = createEndings(registry)
  const { session, socket } = openTestSession({ ...identityOf('anonymous'), insecure: true })
  registry.add(Object.assign(session, { lease: { owner: 'anonymous\u0000192.0.2.1', connectionId: session.connectionId } }))
  endings.endUser('anonymous')
  t.ok(socket.ended)
})
