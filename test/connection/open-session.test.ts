import t from 'tap'
import type { ClientAddress } from '../../src/address/client-address.js'
import { createOpenSession } from '../../src/connection/open-session.js'
import type { Admitted } from '../../src/connection/settle.js'
import type { UpgradeRequest } from '../../src/connection/read-request.js'
import { identityOf } from '../access/identity-of.js'
import { createTestContext, createTestReport, createTestSubscriptions, createTestUpgrade, createTestWheel } from './stand-ins.js'

const ADDRESS: ClientAddress = { ip: '192.0.2.1', key: '192.0.2.1' }
const END_MS = 4_000_000_000_000

function admitted (more: Partial<UpgradeRequest> = {}): Admitted {
  return {
    request: {
      path: '/ws/agents',
      origin: '',
      host: 'gateway.example',
      token: 'the.token',
      ticket: null,
      protocol: 'portcullis.v1',
      agents: null,
      tasks: null,
      eventTypes: null,
      refuseByClose: false,
      resume: null,
      since: null,
      ...more
    },
    address: ADDRESS,
    identity: identityOf('alice', {}, { expiresAtMs: END_MS }),
    granted: { agents: [], tasks: [] },
    lease: { owner: 'alice', connectionId: 'c-1' },
    head: null,
    startedMs: 0,
    traceparent: '',
    exempt: false
  }
}

t.test('a connection is written down, then welcomed first of all', async (t) => {
  const asked: string[] = []
  const [report, wheel] = [createTestReport(), createTestWheel()]
  const nowMs = END_MS - 300_000
  const clocks = { steadyNow: () => nowMs, epochNow: () => nowMs }
  const context = createTestContext({ report, wheel, clocks, subscriptions: createTestSubscriptions(asked) })
  const upgrade = createTestUpgrade()
  t.ok(createOpenSession(context)(upgrade, admitted(), 1))
  t.equal(upgrade.accepted?.protocol, 'portcullis.v1')
  t.same(upgrade.accepted?.socket.frames(), [{
    type: 'welcome',
    connection_id: 'c-1',
    user_id: 'alice',
    node: 'test-1-boot',
    expires_at: new Date(END_MS).toISOString(),
    time: new Date(nowMs).toISOString(),
    limits: context.limits,
    history_s: 300,
    positions: {}
  }])
  t.same(report.lines, ['accepted c-1'])
  t.same(asked, ['open'])
  t.equal(context.registry.countOf('alice'), 1)
  const [session] = context.registry.all()
  t.match(session, { path: '/ws/agents', token: '', eventTypes: null })
  t.ok(session !== undefined && wheel.due.get(session) === END_MS - 30_000)
})

t.test('the token is kept only where the authorizer presents it, event types where some are named', async (t) => {
  const context = createTestContext({ keepTokens: true })
  createOpenSession(context)(createTestUpgrade(), admitted({ eventTypes: ['x'] }), 1)
  const [session] = context.registry.all()
  t.equal(session?.token, 'the.token')
  t.same(session?.eventTypes, new Set(['x']))
})

t.test('what the network calls reaches the connection, and its close ends it', async (t) => {
  const report = createTestReport()
  const context = createTestContext({ report })
  const upgrade = createTestUpgrade()
  createOpenSession(context)(upgrade, admitted(), 1)
  const { handlers, socket } = upgrade.accepted ?? t.bailout('it was not accepted') as never
  handlers.onMessage(new Uint8Array(Buffer.from('{"type":"ping"}')).buffer, false)
  t.match(socket.frames().at(-1), { type: 'pong' })
  handlers.onPing()
  handlers.onDrain()
  handlers.onClose(1001)
  t.same(report.lines, ['accepted c-1', 'message allowed', 'closed c-1 1001 normal'])
  t.equal(context.registry.size, 0)
})

t.test('a client that is gone by then opens nothing', async (t) => {
  const report = createTestReport()
  const context = createTestContext({ report })
  const upgrade = { ...createTestUpgrade(), accept: () => false }
  t.notOk(createOpenSession(context)(upgrade, admitted(), 1))
  t.same(report.lines, [])
  t.equal(context.registry.size, 0)
})
