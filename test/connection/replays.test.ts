import t from 'tap'
import { createDelivery } from '../../src/connection/deliver.js'
import { createReplays } from '../../src/connection/replays.js'
import type { Position } from '../../src/history/position.js'
import type { LogEntry } from '../../src/topic-log/log-entry.js'
import { createTestReport, openTestSession } from './stand-ins.js'

const TOPIC = 'user:alice'

/** One connection that begins in its topic while the log of the process stands elsewhere. */
function setUp (live: Position | null, answers: Array<boolean | Error>, entry?: LogEntry) {
  const { session, socket } = openTestSession()
  const state = { live, asked: 0 }
  const waits: Array<() => void> = []
  const delivery = createDelivery({ sendToTopic: () => {}, maxBufferedBytes: 65_536, onGap: () => {} })
  const replays = createReplays({
    logs: {
      isOpen: () => true,
      positionOf: () => state.live,
      after: () => entry,
      async reach () {
        state.asked++
        const answer = answers.shift() ?? false
        if (answer instanceof Error) throw answer
        return answer
      }
    },
    delivery,
    report: createTestReport(),
    maxBufferedBytes: 65_536,
    timers: { after: (_ms, call) => { waits.push(call); return () => {} } }
  })
  delivery.attach(session, TOPIC)
  const turn = async (): Promise<void> => { await new Promise<void>((resolve) => { setImmediate(resolve) }) }
  return { session, socket, replays, state, waits, turn, isLive: () => session.held === null }
}

t.test('a log that has not heard of the numbering that the store told is asked to look, and tells no gap of the old one', async (t) => {
  const { session, socket, replays, state, turn, isLive } = setUp({ epoch: 'old', offset: 7 }, [true])
  replays.start(session, TOPIC, { epoch: 'new', offset: 1 }, 1)
  t.equal(state.asked, 1)
  state.live = { epoch: 'new', offset: 1 }
  await turn()
  t.ok(isLive())
  t.same(socket.sent, [])
})

t.test('a numbering that has ended is a gap, as soon as the store has said so', async (t) => {
  const { session, socket, replays, state, waits, turn, isLive } = setUp({ epoch: 'new', offset: 3 }, [new Error('away'), false])
  replays.start(session, TOPIC, { epoch: 'old', offset: 1 }, 1)
  await turn()
  t.notOk(isLive(), 'the store was away')
  t.same([socket.sent, waits.length], [[], 1])
  waits[0]?.()
  await turn()
  t.equal(state.asked, 2)
  t.ok(isLive())
  await turn()
  t.same(socket.frames(), [{ type: 'gap', topics: { [TOPIC]: 'new:3' } }])
})

t.test('who was told a position is not live in a log that has none: what is heard next shows what is missing', async (t) => {
  const { session, socket, replays, state, turn, isLive } = setUp(null, [false])
  replays.start(session, TOPIC, { epoch: 'e', offset: 1 }, 1)
  replays.moveOn(TOPIC)
  t.notOk(isLive(), 'the store would not say where it stands')
  t.equal(state.asked, 0)
  state.live = { epoch: 'e', offset: 3 }
  replays.moveOn(TOPIC)
  await turn()
  t.equal(state.asked, 1)
  t.ok(isLive())
  await turn()
  t.same(socket.frames(), [{ type: 'gap', topics: { [TOPIC]: 'e:3' } }])
})

t.test('who was told none is live at once', async (t) => {
  const { session, replays, isLive } = setUp(null, [])
  replays.start(session, TOPIC, null, 0)
  t.ok(isLive())
})

t.test('an event that is larger than what may wait for a client does not make it a slow one', async (t) => {
  const frame = Buffer.from(JSON.stringify({ type: 'event', topic: TOPIC, data: 'x'.repeat(100_000) }))
  const { session, socket, replays, isLive } = setUp({ epoch: 'e', offset: 1 }, [], { offset: 1, atMs: 1, event: 'e', frame, replay: null })
  const { send } = socket
  socket.send = (text) => {
    socket.buffered = Buffer.byteLength(text as Uint8Array) + 10
    return send(text)
  }
  replays.start(session, TOPIC, { epoch: 'e', offset: 0 }, 1)
  t.equal(session.ending, null)
  t.match(socket.frames(), [{ topic: TOPIC, replayed: true }])
  t.ok(isLive())
})
