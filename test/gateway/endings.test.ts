import t from 'tap'
import { createRegistry } from '../../src/connection/registry.js'
import { createEndings } from '../../src/gateway/endings.js'
import type { TokenName } from '../../src/tokens/token-name.js'
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

/** Ten thousand connections: `u<n>` from the address `10.0.x.y`, two in each session `s<n / 2>`, and which of them an order looks at. */
function openMany (count = 10_000) {
  const registry = createRegistry()
  const opened = Array.from({ length: count }, (_, n) => openTestSession(
    identityOf(`u${n}`, {}, { tokenId: `j${n}`, sessionId: `s${n >> 1}`, userId: n % 3 === 0 ? `other:u${n}` : `u${n}` }), { ip: `10.0.${n >> 8}.${n & 255}` }
  ))
  for (const { session } of opened) registry.add(session)
  const visited: string[] = []
  const endings = createEndings({
    ...registry,
    all: function * () { for (const session of registry.all()) { visited.push(session.identity.subject); yield session } }
  })
  const revoke = (...names: TokenName[]): void => {
    endings.endRevoked({ names, matches: ({ subject }) => visited.push(subject) > 0 })
  }
  const ended = (): string[] => opened.filter(({ socket }) => socket.ended !== null).map(({ session }) => session.identity.subject)
  return { registry, opened, endings, visited, revoke, ended }
}

t.test('a revocation visits the connections of its token, session or user alone, with one issuer or several', async (t) => {
  const { visited, revoke, ended } = openMany()
  revoke({ kind: 'jti', id: 'j7' })
  revoke({ kind: 'sid', id: 's10' })
  revoke({ kind: 'sub', id: 'u300' })
  revoke({ kind: 'sub', id: 'u301' })
  revoke({ kind: 'sid', id: 'j1' })
  t.same(visited, ['u7', 'u20', 'u21', 'u300', 'u301'])
  t.same(ended(), visited)
})

t.test('revocations that are more than the connections, or too many to be named, visit each connection once', async (t) => {
  const { endings, visited, revoke } = openMany(100)
  revoke(...Array.from({ length: 101 }, (_, n) => ({ kind: 'jti', id: `j${n}` }) as const))
  t.equal(visited.length, 200, 'each was walked over once, and looked at once')
  visited.length = 0
  endings.endRevoked({ names: null, matches: () => false })
  t.equal(visited.length, 100)
})

t.test('a token that was replaced is found by its new names, and a connection that is gone by none', async (t) => {
  const { registry, opened, visited, revoke } = openMany()
  const [{ session }, gone] = [opened[4], opened[5]] as [typeof opened[0], typeof opened[0]]
  const before = session.identity
  session.identity = identityOf('u4', {}, { tokenId: 'new', sessionId: 'later' })
  registry.rename(session, before)
  registry.remove(gone.session)
  registry.rename(gone.session, gone.session.identity)
  revoke({ kind: 'jti', id: 'j4' }, { kind: 'sid', id: 's2' }, { kind: 'jti', id: 'j5' }, { kind: 'sub', id: 'u5' })
  t.same(visited, [])
  revoke({ kind: 'jti', id: 'new' }, { kind: 'sid', id: 'later' }, { kind: 'sub', id: 'u4' })
  t.same(visited, ['u4', 'u4', 'u4'])
})

t.test('a ban visits the connections of its address alone', async (t) => {
  const { endings, visited, ended } = openMany()
  endings.endBanned(new Set(['10.0.1.1', '10.0.0.9', '192.0.2.1']), () => 1000)
  t.same(ended(), ['u9', 'u257'])
  t.same(visited, [])
})
