import t from 'tap'
import { SessionGroup } from '../../src/connection/session-group.js'
import { openTestSession } from './stand-ins.js'

t.test('a group holds nobody, one or several, each once', async (t) => {
  const [a, b] = [openTestSession().session, openTestSession().session]
  const group = new SessionGroup('agent:1')
  t.same([group.size, [...group.members()]], [0, []])
  for (const session of [a, a]) group.add(session)
  t.ok(group.size === 1 && [...group.members()][0] === a, 'one')
  group.remove(b)
  t.equal(group.size, 1, 'a stranger leaves')
  for (const session of [b, b, a]) group.add(session)
  t.ok(group.size === 2 && [...group.members()].every((session, n) => session === [a, b][n]), 'several')
  group.remove(a)
  t.ok(group.size === 1 && [...group.members()][0] === b, 'one again')
  group.remove(b)
  t.same([group.size, [...group.members()]], [0, []])
  group.add(a)
  group.remove(a)
  t.equal(group.size, 0)
})

t.test('who is removed while the group is gone through is not met any more', async (t) => {
  const group = new SessionGroup('agent:1')
  const sessions = Array.from({ length: 3 }, () => openTestSession().session)
  for (const session of sessions) group.add(session)
  const met = []
  for (const session of group.members()) {
    met.push(session)
    for (const one of sessions) if (one !== session) group.remove(one)
  }
  t.equal(met.length, 1)
  const alone = new SessionGroup('agent:2')
  for (const session of sessions.slice(0, 1)) alone.add(session)
  for (const session of alone.members()) alone.remove(session)
  t.equal(alone.size, 0)
})
