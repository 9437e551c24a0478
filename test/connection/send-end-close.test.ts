import t from 'tap'
import { closeSession, endSession, sendFrame, sendText } from '../../src/connection/send-end-close.js'
import type { Lease } from '../../src/limits/limiter.js'
import { REFUSALS, refuse, type RefusalName } from '../../src/refusals.js'
import { createTestContext, createTestLimiter, createTestReport, createTestSubscriptions, createTestWheel, openTestSession } from './stand-ins.js'

t.test('a closed connection gives back all that it held and has one closed line', async (t) => {
  const [released, asked] = [[] as Lease[], [] as string[]]
  const [report, wheel] = [createTestReport(), createTestWheel()]
  const context = createTestContext({ limiter: createTestLimiter(released), subscriptions: createTestSubscriptions(asked), report, wheel })
  const { session } = openTestSession()
  context.registry.add(session)
  wheel.schedule(session, 1)
  session.waiting = [Buffer.from('{}')]
  closeSession(context, session, 1000)
  closeSession(context, session, 1006)
  t.same(report.lines, [`closed ${session.connectionId} 1000 normal`])
  t.same(released, [session.lease])
  t.same(asked, ['close'])
  t.equal(context.registry.size + wheel.due.size, 0)
  t.equal(session.waiting, null)
  t.not(session.ending, null, 'whatever still waits on its behalf finds it over')
})

t.test('the closed line says who ended it: the client, nobody, or we and why', async (t) => {
  for (const [code, reason] of [[1000, 'normal'], [1001, 'normal'], [1005, 'normal'], [1011, 'normal'], [4000, 'normal'], [4999, 'normal'], [1006, 'connection_lost']] as const) {
    const report = createTestReport()
    const context = createTestContext({ report })
    const { session } = openTestSession()
    context.registry.add(session)
    closeSession(context, session, code)
    t.match(report.lines, [`closed ${session.connectionId} ${code} ${reason}`])
  }
  const report = createTestReport()
  const context = createTestContext({ report })
  const { session } = openTestSession()
  context.registry.add(session)
  endSession(session, refuse('revoked'))
  closeSession(context, session, 4401)
  t.match(report.lines, [/4401 revoked$/])
})

t.test('every refusal of an open connection ends it with the code and reason of the table, once', async (t) => {
  for (const name of Object.keys(REFUSALS) as RefusalName[]) {
    const { session, socket } = openTestSession()
    endSession(session, refuse(name))
    endSession(session, refuse('normal'))
    t.same(socket.ended, { code: REFUSALS[name].closeCode ?? 1000, reason: `{"error":"${name}"}` })
    t.equal(session.ending?.name, name)
  }
})

t.test('nothing is sent after the end', async (t) => {
  const { session, socket } = openTestSession()
  sendFrame(session, { type: 'pong' }, 1000)
  endSession(session, refuse('idle'))
  sendFrame(session, { type: 'pong' }, 1000)
  t.equal(socket.sent.length, 1)
  t.equal(session.messagesOut, 1)
})

t.test('who leaves more unread than the bound, or hits the hard cap, is too slow', async (t) => {
  const within = openTestSession()
  within.socket.buffered = 1000
  sendText(within.session, '{}', 1000)
  t.equal(within.socket.ended, null)
  const over = openTestSession()
  over.socket.buffered = 1001
  sendText(over.session, '{}', 1000)
  t.match(over.socket.ended, { code: 4508 })
  const dropped = openTestSession()
  dropped.socket.full = true
  sendText(dropped.session, '{}', 1000)
  t.match(dropped.socket.ended, { code: 1006 }, 'not even a close frame gets through')
  t.match(dropped.session.ending, { name: 'slow_consumer' })
})
