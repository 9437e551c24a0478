import t from 'tap'
import { handleFrame } from '../../src/connection/handle-frame.js'
import { refuseFrame } from '../../src/connection/refuse-frame.js'
import { createTestContext, createTestSubscriptions, openTestSession } from './stand-ins.js'

t.test('each frame reaches what it is for', async (t) => {
  const asked: string[] = []
  const context = createTestContext({ subscriptions: createTestSubscriptions(asked), identify: { now: () => ({ name: 'invalid_token', message: 'x' }), wait: async () => { throw new Error('unused') } } })
  const { session, socket } = openTestSession()
  handleFrame(context, session, Buffer.from('{"type":"subscribe","agent_ids":["a"]}'))
  handleFrame(context, session, Buffer.from('{"type":"unsubscribe"}'))
  handleFrame(context, session, Buffer.from('{"type":"send","to":"agent:a","data":1}'))
  t.same(asked, ['subscribe', 'unsubscribe', 'send'])
  handleFrame(context, session, Buffer.from('{"type":"ping","id":"7"}'))
  handleFrame(context, session, Buffer.from('{"type":"ping"}'))
  t.same(socket.frames(), [{ type: 'pong', id: '7' }, { type: 'pong' }])
  handleFrame(context, session, Buffer.from('{"type":"refresh","token":"bad"}'))
  t.match(socket.ended, { code: 4401, reason: '{"error":"invalid_token"}' })
})

t.test('a malformed frame is answered, and the third within a minute closes', async (t) => {
  const context = createTestContext()
  const { session, socket } = openTestSession()
  for (const text of ['{', '{"type":"nope"}']) handleFrame(context, session, Buffer.from(text))
  t.match(socket.frames(), [{ type: 'error', error: 'bad_message' }, { type: 'error', error: 'bad_message' }])
  t.equal(socket.ended, null)
  handleFrame(context, session, Buffer.from('[]'))
  t.equal(socket.sent.length, 3)
  t.same(socket.ended, { code: 4400, reason: '{"error":"bad_message"}' })
})

t.test('malformed frames that are more than a minute apart close nothing', async (t) => {
  const context = createTestContext()
  const { session, socket } = openTestSession()
  for (let i = 0; i < 6; i++) {
    refuseFrame(session, undefined, context.maxBufferedBytes)
    if (i % 2 === 1) session.badFrameAtMs = [session.badFrameAtMs[0] - 60_000, session.badFrameAtMs[1] - 60_000]
  }
  t.equal(socket.ended, null)
  t.equal(socket.sent.length, 6)
})
