import t from 'tap'
import type { Clocks } from '../../src/clocks.js'
import { holdIdentity, onDue, scheduleNextDeadline } from '../../src/connection/on-due.js'
import { receive, receivePing } from '../../src/connection/receive.js'
import { identityOf } from '../access/identity-of.js'
import { createTestContext, createTestWheel, openTestSession } from './stand-ins.js'

const END_MS = 2_000_000_000_000
const untilEnd = identityOf('alice', {}, { expiresAtMs: END_MS })
const clocksAt = (steadyMs: number, epochMs = steadyMs): Clocks => ({ steadyNow: () => steadyMs, epochNow: () => epochMs })
function openedAt (openedAtMs: number, insecure = false): ReturnType<typeof openTestSession> {
  const opened = openTestSession({ ...untilEnd, insecure }, { openedAtMs })
  holdIdentity(createTestContext({ clocks: clocksAt(openedAtMs) }), opened.session, opened.session.identity, '')
  return opened
}

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

const HOUR_MS = 3_600_000

t.test('a clock that is set by an hour while a connection is open moves neither its end nor its idleness', async (t) => {
  for (const jumpMs of [HOUR_MS, -HOUR_MS]) {
    const openedAtMs = END_MS - 120_000
    const clock = { steadyMs: openedAtMs, jumpMs: 0 }
    const clocks: Clocks = { steadyNow: () => clock.steadyMs, epochNow: () => clock.steadyMs + clock.jumpMs }
    const context = createTestContext({ clocks, idleMs: 90_000 })
    const { session, socket } = openTestSession(untilEnd, { openedAtMs })
    holdIdentity(context, session, untilEnd, '')
    clock.jumpMs = jumpMs
    const visit = (atMs: number): unknown => {
      clock.steadyMs = atMs
      onDue(context, session, atMs)
      return socket.ended
    }
    t.equal(visit(openedAtMs + 60_000), null, 'half of its life')
    t.same(socket.sent, [])
    receive(context, session, new TextEncoder().encode('{"type":"ping"}').buffer, false)
    t.equal(visit(END_MS - 1), null, 'its last ms')
    t.match(visit(END_MS), { code: 4401 })
  }
})

t.test('a token that comes into force after the clock was set lasts as long as that clock says', async (t) => {
  const steadyMs = END_MS - 10 * HOUR_MS
  const context = createTestContext({ clocks: clocksAt(steadyMs, END_MS - HOUR_MS) })
  const { session } = openTestSession(untilEnd, { openedAtMs: steadyMs })
  holdIdentity(context, session, untilEnd, '')
  t.equal(session.endsAtMs - steadyMs, HOUR_MS)
})

t.test('a ping, a malformed frame and a subscribe are counted by the clock that is never set', async (t) => {
  const clock = { steadyMs: END_MS - HOUR_MS, jumpMs: 0 }
  const context = createTestContext({ clocks: { steadyNow: () => clock.steadyMs, epochNow: () => clock.steadyMs + clock.jumpMs } })
  const { session, socket } = openTestSession(untilEnd)
  for (let n = 0; n < 121; n++) {
    // Set back by an hour at each: were it counted by, the window would never fill, or never end.
    clock.jumpMs -= HOUR_MS
    receivePing(context, session)
  }
  t.match(socket.ended, { code: 4429 })
})
