import t from 'tap'
import { createDelivery, passOver, type Delivery } from '../../src/connection/deliver.js'
import type { Session } from '../../src/connection/session.js'
import { toEntry } from '../../src/topic-log/to-entry.js'
import { refuse } from '../../src/refusals.js'
import { JsonText } from '../../src/wire/json-text.js'
import { openTestSession, type TestSocket } from './stand-ins.js'

/** Delivery over sockets that get what is published to the topics that they joined, as the native layer does it. */
interface TestDelivery extends Omit<Delivery, 'deliver'> {
  readonly published: string[]
  /** Attaches and begins with the live events at once; false when it listens already. */
  listen (session: Session, topic: string): boolean
  deliver (topic: string, event: { readonly event: string, readonly data: unknown }): void
}

function deliverTo (sockets: readonly TestSocket[], maxBufferedBytes = 1000): TestDelivery {
  const published: string[] = []
  const delivery = createDelivery({
    sendToTopic (topic, text) {
      published.push(topic)
      for (const socket of sockets) if (socket.topics.has(topic)) socket.send(text)
    },
    maxBufferedBytes,
    onGap: () => {}
  })
  let offset = 0
  return {
    ...delivery,
    published,
    listen (session, topic) {
      const isNew = delivery.attach(session, topic)
      delivery.goLive(session, topic)
      return isNew
    },
    deliver (topic, event) { delivery.deliver(topic, toEntry(topic, event, { epoch: 'e', offset: ++offset, atMs: 0, id: null })) }
  }
}
const eventsOf = (socket: TestSocket): unknown[] => socket.frames().map(({ topic, event, data }) => [topic, event, data])
const nextTick = async (): Promise<void> => { await new Promise<void>((resolve) => { setImmediate(resolve) }) }

t.test('an event reaches those who listen to its topic, once and whole', async (t) => {
  const [a, b, c] = [openTestSession(), openTestSession(), openTestSession()]
  const delivery = deliverTo([a.socket, b.socket, c.socket])
  t.ok(delivery.listen(a.session, 'agent:1'))
  t.notOk(delivery.listen(a.session, 'agent:1'), 'twice is once')
  delivery.listen(b.session, 'agent:1')
  delivery.listen(c.session, 'agent:2')
  delivery.deliver('agent:1', { event: 'x', data: { n: 1 } })
  t.match(a.socket.frames(), [{ type: 'event', topic: 'agent:1', event: 'x', data: { n: 1 }, ts: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ }])
  t.equal(b.socket.sent.length, 1)
  t.equal(c.socket.sent.length, 0)
  t.same(delivery.published, ['agent:1'], 'one frame for all')
  t.equal(a.session.messagesOut, 1)
})

t.test('nobody listens, nothing happens; who left hears no more', async (t) => {
  const { session, socket } = openTestSession()
  const delivery = deliverTo([socket])
  delivery.deliver('agent:1', { event: 'x', data: 1 })
  delivery.listen(session, 'agent:1')
  t.ok(delivery.detach(session, 'agent:1'))
  t.notOk(delivery.detach(session, 'agent:1'))
  delivery.deliver('agent:1', { event: 'x', data: 1 })
  t.same(socket.sent, [])
  t.same(delivery.published, [])
  t.equal(session.topics.size, 0)
  t.same(socket.topics, new Set(['keep']), 'never without any topic, which would lose what was published and not yet written')
  session.ending = refuse('normal')
  socket.topics.clear()
  delivery.listen(session, 'agent:1')
  delivery.detach(session, 'agent:1')
  t.equal(socket.topics.size, 0, 'one that has ended joins nothing')
})

t.test('who names event types gets those only, in the topic\'s order, and others all', async (t) => {
  const [all, some] = [openTestSession(), openTestSession('bob', { eventTypes: ['b', 'c'] })]
  const delivery = deliverTo([all.socket, some.socket])
  for (const { session } of [all, some]) delivery.listen(session, 'task:1')
  for (const [index, event] of ['a', 'b', 'c', 'a', 'b'].entries()) delivery.deliver('task:1', { event, data: index })
  t.same(eventsOf(some.socket), [['task:1', 'b', 1], ['task:1', 'c', 2], ['task:1', 'b', 4]])
  t.same(eventsOf(all.socket).length, 5)
  t.equal(some.socket.topics.size, 0, 'it gets nothing by publish, so nothing twice')
})

t.test('a user\'s own topic needs no native one: each of the user\'s sockets gets the event once, narrowed or not', async (t) => {
  const [first, second, narrowed] = [openTestSession(), openTestSession(), openTestSession('alice', { eventTypes: ['b'] })]
  const delivery = deliverTo([first.socket, second.socket, narrowed.socket])
  for (const { session } of [first, second, narrowed]) delivery.listen(session, 'user:i:alice')
  t.same([first, second].map(({ socket }) => socket.topics.size), [0, 0])
  delivery.narrow(second.session, new Set(['b']))
  delivery.narrow(second.session, null)
  t.notOk(second.socket.topics.has('user:i:alice'), 'nor after it has narrowed and widened its event types')
  delivery.deliver('user:i:alice', { event: 'a', data: 1 })
  t.same(delivery.published, [])
  t.same([first, second, narrowed].map(({ socket }) => eventsOf(socket).length), [1, 1, 0])
  t.equal(first.session.messagesOut, 1)
})

t.test('a plain event moves no position: what was passed over before it is told all the same', async (t) => {
  const [narrowed, wide] = [openTestSession('alice', { eventTypes: ['b'] }), openTestSession('bob')]
  const delivery = deliverTo([narrowed.socket, wide.socket])
  for (const { session } of [narrowed, wide]) delivery.listen(session, 'agent:1')
  delivery.deliver('agent:1', { event: 'a', data: 1 })
  passOver(wide.session, 'agent:1')
  delivery.deliverPlain('agent:1', { event: 'b', data: JsonText.from(2) })
  t.same([narrowed, wide].map(({ session }) => [...session.passedOver ?? []]), [['agent:1'], ['agent:1']])
  delivery.deliver('agent:1', { event: 'b', data: 3 })
  t.same([narrowed, wide].map(({ session }) => [...session.passedOver ?? []]), [[], []])
})

t.test('narrowing and widening changes the way on every topic, and loses and doubles nothing', async (t) => {
  const { session, socket } = openTestSession()
  const delivery = deliverTo([socket])
  for (const topic of ['agent:1', 'agent:2']) delivery.listen(session, topic)
  delivery.deliver('agent:1', { event: 'a', data: 1 })
  delivery.narrow(session, new Set(['b']))
  t.same(socket.topics, new Set(['keep']), 'never without any topic, which would lose what was published and not yet written')
  delivery.deliver('agent:1', { event: 'a', data: 2 })
  delivery.deliver('agent:2', { event: 'b', data: 3 })
  delivery.narrow(session, new Set(['a']))
  delivery.deliver('agent:1', { event: 'a', data: 4 })
  delivery.narrow(session, null)
  t.same(socket.topics, new Set(['keep', 'agent:1', 'agent:2']))
  delivery.deliver('agent:2', { event: 'z', data: 5 })
  t.same(socket.frames().map(({ data }) => data), [1, 3, 4, 5])
})

t.test('who reads too slowly is ended with a word, by either way, and others go on', async (t) => {
  const [slow, narrow, well] = [openTestSession(), openTestSession('bob', { eventTypes: ['x'] }), openTestSession()]
  const delivery = deliverTo([slow.socket, narrow.socket, well.socket])
  for (const { session } of [slow, narrow, well]) delivery.listen(session, 'agent:1')
  slow.socket.buffered = 1001
  narrow.socket.buffered = 1001
  well.socket.buffered = 1000
  delivery.deliver('agent:1', { event: 'x', data: 1 })
  t.match(narrow.socket.ended, { code: 4508 })
  await nextTick()
  t.match(slow.socket.ended, { code: 4508, reason: '{"error":"slow_consumer","retry_after_ms":1000}' })
  t.equal(slow.socket.sent.length, 1, 'nothing is missing before the close')
  t.equal(well.socket.ended, null)
})

t.test('a connection that closes while an event goes out disturbs nobody', async (t) => {
  const sessions = Array.from({ length: 5 }, () => openTestSession('bob', { eventTypes: ['x'] }))
  const delivery = deliverTo([])
  for (const { session, socket } of sessions) {
    delivery.listen(session, 'agent:1')
    socket.end = () => { delivery.detach(session, 'agent:1') }
  }
  const [first, second] = sessions
  if (second !== undefined) second.socket.buffered = 2000
  delivery.deliver('agent:1', { event: 'x', data: 1 })
  delivery.deliver('agent:1', { event: 'x', data: 2 })
  t.equal(first?.socket.sent.length, 2)
  t.same(sessions.map(({ socket }) => socket.sent.length), [2, 1, 2, 2, 2])
})
