import t from 'tap'
import { endLimited, receive, receivePing } from '../../src/connection/receive.js'
import type { Session } from '../../src/connection/session.js'
import type { SessionContext } from '../../src/connection/session-context.js'
import { LimitUndecided } from '../../src/limits/limiter.js'
import type { Passage } from '../../src/limits/messages/address-grants.js'
import type { MessageLimit } from '../../src/limits/messages/message-limit.js'
import { workInOrder } from '../../src/connection/work-in-order.js'
import { createTestContext, createTestReport, createTestSubscriptions, openTestSession, type TestSocket } from './stand-ins.js'

const bytes = (text: string): ArrayBuffer => new Uint8Array(Buffer.from(text)).buffer
const ping = (id: string): ArrayBuffer => bytes(JSON.stringify({ type: 'ping', id }))
const pongsOf = (socket: TestSocket): unknown[] => socket.frames().filter(frame => frame['type'] === 'pong').map(frame => frame['id'])
const settled = async (): Promise<void> => { await new Promise<void>((resolve) => { setImmediate(resolve) }) }

interface Asked { resolve (passage: Passage): void, reject (error: Error): void }

/** A message limit that answers when told to; `atHand` messages are spent without asking. */
function createTestLimit (atHand = 0): MessageLimit & { readonly asked: Asked[], atHand: number } {
  const asked: Asked[] = []
  const messageLimit = {
    asked,
    atHand,
    spend: () => messageLimit.atHand > 0 && messageLimit.atHand-- > 0,
    request: async () => await new Promise<Passage>((resolve, reject) => { asked.push({ resolve, reject }) }),
    giveBack: () => {},
    close: () => {},
    size: 0
  }
  return messageLimit
}

t.test('a frame within the limit is understood at once', async (t) => {
  const report = createTestReport()
  const context = createTestContext({ messageLimit: createTestLimit(1), report })
  const { session, socket } = openTestSession()
  receive(context, session, ping('1'), false)
  t.same(socket.frames(), [{ type: 'pong', id: '1' }])
  t.equal(session.messagesIn, 1)
  t.same(report.lines, ['message allowed'])
})

t.test('frames that wait for a grant keep their order, and none passes them', async (t) => {
  const messageLimit = createTestLimit(0)
  const context = createTestContext({ messageLimit })
  const { session, socket } = openTestSession()
  for (const id of ['1', '2', '3']) receive(context, session, ping(id), false)
  messageLimit.atHand = 10
  receive(context, session, ping('4'), false)
  t.same(pongsOf(socket), [], 'a grant at hand is not for those who come later')
  t.equal(messageLimit.asked.length, 4)
  for (const { resolve } of messageLimit.asked) resolve({ granted: true })
  await settled()
  t.same(pongsOf(socket), ['1', '2', '3', '4'])
  receive(context, session, ping('5'), false)
  t.same(pongsOf(socket).at(-1), '5', 'nothing waits any more')
  t.equal(session.waiting, null)
  t.equal(session.waitingBytes, 0)
})

t.test('a binary frame keeps its place in the order and is malformed', async (t) => {
  const messageLimit = createTestLimit(0)
  const context = createTestContext({ messageLimit })
  const { session, socket } = openTestSession()
  receive(context, session, ping('1'), false)
  receive(context, session, ping('2'), true)
  receive(context, session, ping('3'), false)
  for (const { resolve } of messageLimit.asked) resolve({ granted: true })
  await settled()
  t.same(socket.frames().map(frame => frame['type']), ['pong', 'error', 'pong'])
})

t.test('over the limit comes the frame that clients know, then the close, then nothing', async (t) => {
  const messageLimit = createTestLimit(1)
  const report = createTestReport()
  const context = createTestContext({ messageLimit, report })
  const { session, socket } = openTestSession()
  for (const id of ['1', '2', '3']) receive(context, session, ping(id), false)
  messageLimit.asked[0]?.resolve({ granted: false, retryAfterMs: 1234.5 })
  messageLimit.asked[1]?.resolve({ granted: true })
  await settled()
  t.equal(socket.sent.at(-1), '{"type":"error","error":"Too Many Requests","code":429,"retry_after_ms":1235}')
  t.same(socket.ended, { code: 4429, reason: '{"error":"too_many_requests","retry_after_ms":1235}' })
  t.same(pongsOf(socket), ['1'], 'also not what was granted later')
  t.same(report.lines, ['message allowed', 'message limited'])
  receive(context, session, ping('4'), false)
  t.equal(session.messagesIn, 3, 'an ended connection takes nothing')
})

t.test('in dry run the limit is written down and the frame goes through', async (t) => {
  const messageLimit = createTestLimit(0)
  const report = createTestReport()
  const context = createTestContext({ messageLimit, report, dryRun: true })
  const { session, socket } = openTestSession()
  receive(context, session, ping('1'), false)
  messageLimit.asked[0]?.resolve({ granted: false, retryAfterMs: 1000 })
  await settled()
  t.same(pongsOf(socket), ['1'])
  t.equal(socket.ended, null)
  t.same(report.lines, ['message limited'])
})

t.test('an address on the allow list is not asked about', async (t) => {
  const messageLimit = createTestLimit(0)
  const context = createTestContext({ messageLimit })
  const { session, socket } = openTestSession('alice', { exempt: true })
  for (let i = 0; i < 500; i++) receive(context, session, ping(String(i)), false)
  t.equal(socket.sent.length, 500)
  t.equal(messageLimit.asked.length, 0)
})

t.test('when nobody can judge a frame the connection ends, and no later frame passes it', async (t) => {
  const messageLimit = createTestLimit(0)
  const report = createTestReport()
  const { session, socket } = openTestSession()
  const context = createTestContext({ messageLimit, report })
  for (const id of ['1', '2']) receive(context, session, ping(id), false)
  messageLimit.asked[0]?.reject(new Error('away'))
  messageLimit.asked[1]?.resolve({ granted: true })
  await settled()
  await settled()
  t.match(socket.ended, { code: 4503 })
  t.notMatch(pongsOf(socket), ['1'])
  t.equal(report.faults.length, 1)
})

t.test('a frame whose address cannot be counted is refused alone; the connection ends after as many as a window allows', async (t) => {
  const messageLimit = createTestLimit(0)
  const report = createTestReport()
  const { session, socket } = openTestSession()
  const context = createTestContext({ messageLimit, report, limits: { ...createTestContext().limits, messages: 3 } })
  for (const id of ['1', '2', '3', '4']) receive(context, session, ping(id), false)
  messageLimit.asked[0]?.reject(new LimitUndecided())
  messageLimit.asked[1]?.resolve({ granted: true })
  messageLimit.asked[2]?.reject(new LimitUndecided())
  await settled()
  await settled()
  t.match(socket.frames(), [{ error: 'unavailable', id: '1' }, { type: 'pong', id: '2' }, { error: 'unavailable', id: '3' }])
  t.equal(socket.ended, null)
  messageLimit.asked[3]?.reject(new LimitUndecided())
  receive(context, session, ping('5'), false)
  messageLimit.asked[4]?.reject(new LimitUndecided())
  await settled()
  await settled()
  t.match(socket.ended, { code: 4503 })
  t.same(report.faults, [], 'they are reported by the limiter')
})

t.test('in dry run a frame whose address cannot be counted goes through', async (t) => {
  const messageLimit = createTestLimit(0)
  const { session, socket } = openTestSession()
  receive(createTestContext({ messageLimit, dryRun: true }), session, ping('1'), false)
  messageLimit.asked[0]?.reject(new LimitUndecided())
  await settled()
  await settled()
  t.same(pongsOf(socket), ['1'])
})

t.test('a message up to the cap passes, one byte more is told 1009', async (t) => {
  const context = createTestContext()
  const fits = openTestSession()
  receive(context, fits.session, bytes('x'.repeat(1024)), false)
  t.equal(fits.socket.ended, null)
  const over = openTestSession()
  receive(context, over.session, bytes('x'.repeat(1025)), false)
  t.same(over.socket.ended, { code: 1009, reason: '{"error":"frame_too_large"}' })
  t.same(over.socket.sent, [])
})

t.test('what waits for grants is bounded in bytes, each frame with its own cost, so that many small ones are bounded too', async (t) => {
  const flood = (text: string, context: SessionContext): number => {
    const { session, socket } = openTestSession()
    for (let count = 1; count < 100_000; count++) {
      receive(context, session, bytes(text), false)
      if (socket.ended !== null) {
        t.match(socket.ended, { code: 1013 })
        t.equal(session.waiting, null, 'and is let go')
        return count
      }
    }
    return Infinity
  }
  const context = createTestContext({ messageLimit: createTestLimit(0) })
  const heldBytes = 4 * context.limits.frame_bytes + 1_048_576
  const large = Math.min(1000, context.limits.frame_bytes)
  t.equal(flood('{}', context), Math.floor(heldBytes / 66) + 1)
  t.equal(flood('x'.repeat(large), context), Math.floor(heldBytes / (64 + large)) + 1)
})

t.test('what waits for a back end is bounded too, and given back frame by frame', async (t) => {
  const done: Array<() => void> = []
  const work = async (): Promise<void> => { await new Promise<void>((resolve) => { done.push(resolve) }) }
  const send = (session: Session): void => { workInOrder(session, createTestReport(), work) }
  const subscriptions = { ...createTestSubscriptions(), send }
  const context = createTestContext({ subscriptions })
  const large = bytes(`{"type":"send","to":"agent:a","data":"${'x'.repeat(900)}"}`)
  const most = Math.floor((4 * context.limits.frame_bytes + 1_048_576) / (64 + large.byteLength))
  const { session, socket } = openTestSession()
  for (let n = 0; n < 2 * most; n++) {
    receive(context, session, large, false)
    if (n === 0) continue
    // One is always under way.
    done.shift()?.()
    await settled()
  }
  t.equal(socket.ended, null)
  done.shift()?.()
  await settled()
  t.same([session.work, session.workBytes], [null, 0])
  for (let n = 0; n <= most; n++) receive(context, session, large, false)
  t.match(socket.ended, { code: 1013 })
})

t.test('a connection that closed while its frames waited is left alone', async (t) => {
  const messageLimit = createTestLimit(0)
  const { session, socket } = openTestSession()
  const context = createTestContext({ messageLimit })
  receive(context, session, ping('1'), false)
  session.waiting = null
  messageLimit.asked[0]?.resolve({ granted: true })
  await settled()
  t.same(socket.sent, [])
})

t.test('pings of the client have a cap of their own in each window', async (t) => {
  const context = createTestContext({ limits: { ...createTestContext().limits, messages: 1 } })
  const cap = 120
  const { session, socket } = openTestSession()
  for (let i = 0; i < cap; i++) receivePing(context, session)
  t.equal(socket.ended, null, 'whatever the message limit is')
  session.pingWindowStartMs -= 60_000
  for (let i = 0; i < cap; i++) receivePing(context, session)
  t.equal(socket.ended, null, 'a new window')
  receivePing(context, session)
  t.match(socket.ended, { code: 4429 })
  t.match(socket.frames(), [{ type: 'error', error: 'Too Many Requests', code: 429 }])
})

t.test('a connection is limited once', async (t) => {
  const { session, socket } = openTestSession()
  const context = createTestContext()
  endLimited(context, session, 1000)
  endLimited(context, session, 1000)
  t.equal(socket.sent.length, 1)
})
