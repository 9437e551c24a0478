import t from 'tap'
import { onDue, scheduleNextDeadline } from '../../src/connection/on-due.js'
import { identityOf } from '../access/identity-of.js'
import { createTestContext, createTestWheel, openTestSession } from './stand-ins.js'

const END_MS = 2_000_000_000_000
const untilEnd = identityOf('alice', {}, { expiresAtMs: END_MS })
const openedAt = (openedAtMs: number, insecure = false): ReturnType<typeof openTestSession> =>
  openTestSession({ ...untilEnd, insecure }, { openedAtMs })

t.test('a token\'s end is announced 30 s before, once, and ends the connection', async (t) => {
  const wheel = createTestWheel()
  const context = createTestContext({ wheel })
  const { session, socket } = openedAt(END_MS - 300_000)
  onDue(context, session, END_MS - 300_000)
  t.same(socket.sent, [])
  t.equal(wheel.due.get(session), END_MS - 30_000)
  onDue(context, session, END_MS - 30_000)
  t.same(socket.frames(), [{ type: 'expiring', expires_at: new Date(END_MS).toISOString() }])
  t.equal(wheel.due.get(session), END_MS)
  onDue(context, session, END_MS - 10)
  t.equal(socket.sent.length, 1)
  onDue(context, session, END_MS)
  t.same(socket.ended, { code: 4401, reason: '{"error":"expired_token"}' })
})

t.test('a token that ends within 30 s is announced as the connection opens', async (t) => {
  const { session, socket } = openedAt(END_MS - 5000)
  onDue(createTestContext(), session, END_MS - 5000)
  t.match(socket.frames(), [{ type: 'expiring' }])
})

t.test('a token that our clock calls over already lasts for the tolerance that let it in', async (t) => {
  const wheel = createTestWheel()
  const context = createTestContext({ wheel, clockToleranceMs: 5000 })
  const { session, socket } = openedAt(END_MS + 2000)
  onDue(context, session, END_MS + 2000)
  t.equal(socket.ended, null)
  t.equal(wheel.due.get(session), END_MS + 5000)
  onDue(context, session, END_MS + 5000)
  t.match(socket.ended, { code: 4401 })
})

t.test('break-glass ends by itself', async (t) => {
  const { session, socket } = openedAt(END_MS - 60_000, true)
  onDue(createTestContext(), session, END_MS)
  t.same(socket.ended, { code: 4401, reason: '{"error":"missing_token"}' })
})

t.test('who sends no data for too long is idle; any data starts the time again', async (t) => {
  const wheel = createTestWheel()
  const context = createTestContext({ wheel, idleMs: 10_000 })
  const openedAtMs = END_MS - 600_000
  const { session, socket } = openedAt(openedAtMs)
  scheduleNextDeadline(context, session, openedAtMs)
  t.equal(wheel.due.get(session), openedAtMs + 10_000)
  session.lastDataAtMs = openedAtMs + 8000
  onDue(context, session, openedAtMs + 10_000)
  t.equal(socket.ended, null)
  t.equal(wheel.due.get(session), openedAtMs + 18_000)
  onDue(context, session, openedAtMs + 18_000)
  t.same(socket.ended, { code: 4408, reason: '{"error":"idle"}' })
})

t.test('without an idle limit silence is fine, and an ended connection is left alone', async (t) => {
  const wheel = createTestWheel()
  const { session, socket } = openedAt(END_MS - 86_400_000)
  onDue(createTestContext({ wheel }), session, END_MS - 31_000)
  t.equal(socket.ended, null)
  const ended = openedAt(END_MS - 1000)
  ended.session.ending = { name: 'idle', message: '' }
  onDue(createTestContext({ wheel }), ended.session, END_MS + 1)
  t.equal(ended.socket.ended, null)
  t.notOk(wheel.due.has(ended.session))
})
