import t from 'tap'
import { drainSessions } from '../../src/connection/drain-sessions.js'
import { createRegistry, type Registry } from '../../src/connection/registry.js'
import { openTestSession, type TestSocket } from './stand-ins.js'

interface Filled { readonly registry: Registry, readonly sockets: TestSocket[], readonly endedAtMs: number[] }

/** Connections that leave the registry as they are ended, and when that was. */
function fill (count: number): Filled {
  const registry = createRegistry()
  const endedAtMs: number[] = []
  const sockets = Array.from({ length: count }, () => {
    const { session, socket } = openTestSession()
    registry.add(session)
    const { end } = socket
    socket.end = (code, reason) => { end(code, reason); endedAtMs.push(performance.now()); registry.remove(session) }
    return socket
  })
  return { registry, sockets, endedAtMs }
}

t.test('everybody is told when to come back, at moments of their own, and closed with 1012', async (t) => {
  const { registry, sockets } = fill(40)
  await drainSessions(registry, 0, 65_536, () => false)
  t.equal(registry.size, 0)
  const delays = sockets.map((socket) => {
    const [frame] = socket.frames()
    t.match(frame, { type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: Number })
    t.same(socket.ended, { code: 1012, reason: `{"error":"restarting","retry_after_ms":${frame?.['reconnect_after_ms']}}` })
    return Number(frame?.['reconnect_after_ms'])
  })
  t.ok(delays.every(delay => delay >= 0 && delay < 5000))
  t.ok(new Set(delays).size > 20, 'no stampede')
})

t.test('the end is spread evenly over the time given', async (t) => {
  const { registry, endedAtMs } = fill(60)
  const startedAtMs = performance.now()
  await drainSessions(registry, 500, 65_536, () => false)
  t.ok(endedAtMs.filter(at => at === endedAtMs[0] || at - startedAtMs < 25).length <= 12, 'no burst at the start')
  t.ok((endedAtMs.at(-1) ?? 0) - startedAtMs > 250, 'it takes its time')
})

t.test('who is in a hurry ends all that is left at once', async (t) => {
  const { registry } = fill(100)
  let urgent = false
  const drained = drainSessions(registry, 600_000, 65_536, () => urgent)
  t.ok(registry.size > 90)
  urgent = true
  await drained
  t.equal(registry.size, 0)
})

t.test('with nobody there it is done at once', async (t) => {
  await drainSessions(createRegistry(), 600_000, 65_536, () => false)
  t.pass()
})
