import t from 'tap'
import type { Asked, Authorizer, Visible } from '../../src/access/authorizer.js'
import { steadyNow } from '../../src/clocks.js'
import { closeSession } from '../../src/connection/send-end-close.js'
import { createDelivery } from '../../src/connection/deliver.js'
import { refuse } from '../../src/refusals.js'
import { createReplays } from '../../src/connection/replays.js'
import type { Rights } from '../../src/connection/rights.js'
import type { Session } from '../../src/connection/session.js'
import type { SessionContext } from '../../src/connection/session-context.js'
import { createSubscriptions } from '../../src/connection/subscriptions.js'
import type { Bus, BusHandlers } from '../../src/bus/bus.js'
import type { Inbound, InboundMessage } from '../../src/bus/inbound.js'
import { SYSTEM_TIMERS } from '../../src/timers.js'
import { createTopicLogs } from '../../src/topic-log/process-logs.js'
import type { SubscribeFrame } from '../../src/wire/frames.js'
import { identityOf } from '../access/identity-of.js'
import { until } from '../support/until.js'
import { createTestContext, createTestReport, openTestSession, type TestReport, type TestSocket } from './stand-ins.js'

/** A user who may see agents a1 to a3 and task t1, and may send. */
const ALICE = identityOf('alice', {}, { scopes: new Set(['ws:send']) })
const SEEN: Visible = { agents: ['a1', 'a2', 'a3'], tasks: ['t1'] }
const select = (seen: readonly string[], asked: readonly string[] | '*'): string[] => seen.filter(id => asked === '*' || asked.includes(id))
const decide = (asked: Asked): Visible => ({ agents: select(SEEN.agents, asked.agents), tasks: select(SEEN.tasks, asked.tasks) })

const NOTHING_OWN = { position: null, from: null, recovered: null }

interface Bench {
  readonly context: SessionContext
  readonly session: Session
  readonly socket: TestSocket
  readonly report: TestReport
  /** Listeners of each topic as the bus counts them. */
  readonly counts: Map<string, number>
  readonly stored: InboundMessage[]
  readonly rights: string[]
  subscribe (frame: Omit<SubscribeFrame, 'type'>): void
}

interface BenchOptions {
  readonly identity?: typeof ALICE
  readonly visible?: Authorizer['visible']
  readonly confirm?: (topic: string) => Promise<void>
  readonly append?: () => ReturnType<Inbound['append']>
  /** How often rights were said to have changed. */
  readonly generation?: () => number
}

/** One connection, with subscriptions over a bus whose confirmations the test gives. */
function setUp (options: BenchOptions = {}): Bench {
  const { identity = ALICE, visible = (_who, _token, asked) => decide(asked), confirm = async () => {} } = options
  const { append, generation = () => 0 } = options
  const counts = new Map<string, number>()
  const openBus = ({ onHeard, onLeft }: BusHandlers): Bus => ({
    async subscribe (topic) {
      counts.set(topic, (counts.get(topic) ?? 0) + 1)
      await confirm(topic)
      onHeard?.(topic)
    },
    unsubscribe (topic) {
      counts.set(topic, (counts.get(topic) ?? 0) - 1)
      if (counts.get(topic) !== 0) return
      counts.delete(topic)
      onLeft?.(topic)
    },
    publish: async () => {},
    close: async () => {}
  })
  const logs = createTopicLogs({ history: null, settings: null, openBus, readHead: null, timers: SYSTEM_TIMERS })
  const [stored, rights] = [[] as InboundMessage[], [] as string[]]
  const kept: Rights = {
    start: () => {},
    add: () => { rights.push('add') },
    remove: () => { rights.push('remove') },
    recheckSoon: () => { rights.push('recheck soon') },
    recheck: () => {},
    generationOf: () => generation(),
    endAll: () => {},
    stop: () => {}
  }
  const report = createTestReport()
  const { session, socket } = openTestSession(identity)
  const delivery = createDelivery({ sendToTopic: () => {}, maxBufferedBytes: 65_536, onGap: () => {} })
  const replays = createReplays({ logs, delivery, report, maxBufferedBytes: 65_536 })
  logs.start({ onEntry: delivery.deliver, onPlain: delivery.deliverPlain, onGap: delivery.tellGap, onOpen: replays.moveOn })
  const subscriptions = createSubscriptions({
    authorizer: { local: false, visible, forget: () => {}, close: async () => {} },
    logs,
    inbound: { append: async (message) => { stored.push(message); return await (append?.() ?? Promise.resolve('stored' as const)) }, close: () => {} },
    delivery,
    replays,
    rights: kept,
    report,
    maxBufferedBytes: 65_536,
    maxFilterIds: 50,
    subscribesPerS: 10,
    kept: new Map([['agent', 0]])
  })
  const context = createTestContext({ subscriptions, report })
  context.registry.add(session)
  return { context, session, socket, report, counts, stored, rights, subscribe: (frame) => { subscriptions.subscribe(session, { type: 'subscribe', ...frame }) } }
}

const idle = async ({ session }: Bench): Promise<void> => { await until('nothing is under way', () => session.work === null) }

t.test('filters of the URL are told once the bus confirmed them', async (t) => {
  let confirm = (): void => {}
  const bench = setUp({ confirm: async (topic) => { if (topic === 'task:t1') await new Promise<void>((resolve) => { confirm = resolve }) } })
  bench.context.subscriptions.open(bench.session, { agents: ['a1'], tasks: ['t1'] }, true, NOTHING_OWN)
  t.same([...bench.counts.keys()].toSorted(), ['agent:a1', 'task:t1', 'user:alice'])
  t.same(bench.socket.sent, [], 'an event published now might be missed')
  confirm()
  await idle(bench)
  t.same(bench.socket.frames(), [{ type: 'subscribed', agent_ids: ['a1'], task_ids: ['t1'], positions: {} }])
  t.same(bench.rights, ['add'])
})

t.test('who names no filters joins the own topic and is told nothing', async (t) => {
  const bench = setUp({ confirm: async () => { throw new Error('away') } })
  bench.context.subscriptions.open(bench.session, { agents: [], tasks: [] }, false, NOTHING_OWN)
  await idle(bench)
  t.same([...bench.session.topics], ['user:alice'])
  t.same(bench.socket.sent, [])
  t.equal(bench.socket.ended, null, 'also while the bus is away')
})

t.test('an anonymous connection has no topic of its own', async (t) => {
  const bench = setUp({ identity: { ...ALICE, insecure: true } })
  bench.context.subscriptions.open(bench.session, { agents: [], tasks: [] }, false, NOTHING_OWN)
  t.equal(bench.session.topics.size, 0)
})

t.test('filters of the URL wait for a bus that is away, however often it says no; the client is told, and its frames are answered meanwhile', async (t) => {
  let refusals = 2
  const bench = setUp({ confirm: async (topic) => { if (topic === 'agent:a1' && refusals-- > 0) throw new Error('away') } })
  bench.context.subscriptions.open(bench.session, { agents: ['a1', 'a2'], tasks: [] }, true, NOTHING_OWN)
  bench.subscribe({ id: '1', agent_ids: ['a3'] })
  await idle(bench)
  t.match(bench.socket.frames(), [{ type: 'error', error: 'unavailable', retry_after_ms: 1000 }, { type: 'subscribed', id: '1', agent_ids: ['a3'] }])
  t.equal(bench.socket.frames()[0]?.['id'], undefined, 'it answers no frame')
  bench.context.subscriptions.unsubscribe(bench.session, { type: 'unsubscribe', agent_ids: ['a3'] })
  await until('it is subscribed', () => bench.socket.frames().length === 4)
  t.equal(bench.socket.ended, null)
  t.same(bench.socket.frames().at(-1), { type: 'subscribed', agent_ids: ['a1', 'a2'], task_ids: [], positions: {} })
  t.same([...bench.counts], [['user:alice', 1], ['agent:a1', 1], ['agent:a2', 1]])
})

t.test('who ends, or loses a right, while the bus is away holds nothing when it is back', async (t) => {
  let away = true
  const bench = setUp({ confirm: async (topic) => { if (away && topic !== 'user:alice') throw new Error('away') } })
  bench.context.subscriptions.open(bench.session, { agents: ['a1', 'a2'], tasks: [] }, true, NOTHING_OWN)
  bench.context.subscriptions.withdraw(bench.session, ['agent:a1'])
  away = false
  await until('it is subscribed', () => bench.socket.frames().at(-1)?.['type'] === 'subscribed')
  t.match(bench.socket.frames().at(-1), { type: 'subscribed', agent_ids: ['a2'] })
  t.same([...bench.session.topics], ['user:alice', 'agent:a2'])

  away = true
  const gone = setUp({ confirm: async () => { if (away) throw new Error('away') } })
  gone.context.subscriptions.open(gone.session, { agents: ['a1'], tasks: [] }, true, NOTHING_OWN)
  closeSession(gone.context, gone.session, 1006)
  away = false
  await idle(gone)
  t.equal(gone.counts.size + gone.session.topics.size, 0)
})

t.test('a subscription is granted whole, or not at all and the connection is kept', async (t) => {
  const bench = setUp()
  bench.subscribe({ id: '1', agent_ids: ['a1', 'a2'], task_ids: ['t1'] })
  await idle(bench)
  bench.subscribe({ id: '2', agent_ids: ['a3', 'secret'] })
  await idle(bench)
  t.match(bench.socket.frames(), [
    { type: 'subscribed', id: '1', agent_ids: ['a1', 'a2'], task_ids: ['t1'] },
    { type: 'error', id: '2', error: 'forbidden' }
  ])
  t.same([...bench.session.topics].toSorted(), ['agent:a1', 'agent:a2', 'task:t1'])
  t.same(bench.report.lines, ['denied agent:a3 agent:secret: access'])
  t.equal(bench.socket.ended, null)
})

t.test('subscribing again counts a topic once, and unsubscribing leaves it', async (t) => {
  const bench = setUp()
  for (let i = 0; i < 3; i++) bench.subscribe({ agent_ids: ['a1'] })
  await idle(bench)
  t.same([...bench.counts], [['agent:a1', 1]])
  bench.context.subscriptions.unsubscribe(bench.session, { type: 'unsubscribe', id: 'u', agent_ids: ['a1', 'never'] })
  await idle(bench)
  t.equal(bench.counts.size, 0)
  t.same(bench.socket.frames().at(-1), { type: 'unsubscribed', id: 'u', agent_ids: ['a1', 'never'], task_ids: [] })
})

t.test('unsubscribing from everything of a kind leaves the other kind and the own topic', async (t) => {
  const bench = setUp()
  bench.context.subscriptions.open(bench.session, { agents: ['a1', 'a2'], tasks: ['t1'] }, true, NOTHING_OWN)
  bench.context.subscriptions.unsubscribe(bench.session, { type: 'unsubscribe', agent_ids: '*' })
  await idle(bench)
  t.same([...bench.session.topics].toSorted(), ['task:t1', 'user:alice'])
  t.match(bench.socket.frames().at(-1), { type: 'unsubscribed', agent_ids: ['a1', 'a2'], task_ids: [] })
})

t.test('an unsubscribe never overtakes the subscribe before it', async (t) => {
  let confirm = (): void => {}
  const bench = setUp({ confirm: async () => { await new Promise<void>((resolve) => { confirm = resolve }) } })
  bench.subscribe({ agent_ids: ['a1'] })
  bench.context.subscriptions.unsubscribe(bench.session, { type: 'unsubscribe', agent_ids: ['a1'] })
  await until('the bus was asked', () => bench.counts.size === 1)
  t.same(bench.socket.sent, [])
  confirm()
  await idle(bench)
  t.same(bench.socket.frames().map(frame => frame['type']), ['subscribed', 'unsubscribed'])
  t.equal(bench.counts.size, 0)
})

t.test('when the bus does not confirm, only what was new is undone', async (t) => {
  let away = false
  const bench = setUp({ confirm: async (topic) => { if (away && topic === 'agent:a3') throw new Error('away') } })
  bench.subscribe({ agent_ids: ['a1'] })
  await idle(bench)
  away = true
  bench.subscribe({ id: '2', agent_ids: ['a1', 'a2', 'a3'] })
  await idle(bench)
  t.match(bench.socket.frames().at(-1), { type: 'error', id: '2', error: 'unavailable', retry_after_ms: 1000 })
  t.same([...bench.counts], [['agent:a1', 1]])
  t.same([...bench.session.topics], ['agent:a1'])
})

t.test('an authorizer that is away grants nothing and ends nothing', async (t) => {
  const bench = setUp({ visible: async () => { throw new Error('away') } })
  bench.subscribe({ id: '1', agent_ids: ['a1'] })
  await idle(bench)
  t.match(bench.socket.frames(), [{ type: 'error', id: '1', error: 'unavailable' }])
  t.equal(bench.session.topics.size, 0)
})

t.test('a connection that closes while it subscribes leaves nothing behind, wherever it was', async (t) => {
  for (const at of ['authorizer', 'bus'] as const) {
    let go = (): void => {}
    const wait = async (): Promise<void> => { await new Promise<void>((resolve) => { go = resolve }) }
    const asked: string[] = []
    const bench = setUp({
      visible: async (_who, _token, what) => { asked.push('authorizer'); if (at === 'authorizer') await wait(); return decide(what) },
      confirm: async () => { asked.push('bus'); if (at === 'bus') await wait() }
    })
    bench.subscribe({ agent_ids: ['a1'] })
    bench.subscribe({ agent_ids: ['a2'] })
    await until(`the ${at} was asked`, () => asked.includes(at))
    closeSession(bench.context, bench.session, 1001)
    go()
    await idle(bench)
    t.equal(bench.counts.size, 0, `${at}: no listener of a dead socket`)
    t.equal(bench.session.topics.size, 0)
    t.same(bench.socket.sent, [])
  }
})

t.test('ten subscribe frames a second are taken, the next is told when to come back', async (t) => {
  const bench = setUp()
  for (let i = 0; i < 10; i++) bench.subscribe({ agent_ids: ['a1'] })
  bench.session.subscribeWindowStartMs = steadyNow()
  bench.subscribe({ id: 'x', agent_ids: ['a1'] })
  t.match(bench.socket.frames().at(-1), { type: 'error', id: 'x', error: 'too_many_requests' })
  t.ok(Number(bench.socket.frames().at(-1)?.['retry_after_ms']) <= 1000)
  t.equal(bench.socket.ended, null)
  bench.session.subscribeWindowStartMs -= 1000
  bench.subscribe({ id: 'y', agent_ids: ['a1'] })
  await idle(bench)
  t.match(bench.socket.frames().at(-1), { type: 'subscribed', id: 'y' })
  t.equal(bench.socket.frames().filter(frame => frame['type'] === 'subscribed').length, 11)
})

t.test('a subscribe without any list is a malformed frame', async (t) => {
  const bench = setUp()
  bench.subscribe({ id: '2' })
  t.match(bench.socket.frames(), [{ id: '2', error: 'bad_message' }])
})

t.test('at most a thousand topics of its own asking are held by a connection', async (t) => {
  const many = Array.from({ length: 999 }, (_, index) => `m${index}`)
  const bench = setUp({ visible: (_who, _token, asked) => asked.agents === '*' ? { agents: many, tasks: [] } : { agents: asked.agents, tasks: [] } })
  bench.context.subscriptions.open(bench.session, { agents: [], tasks: [] }, false, NOTHING_OWN)
  bench.subscribe({ agent_ids: '*' })
  bench.subscribe({ agent_ids: ['m1', 'one'] })
  bench.subscribe({ id: 'x', agent_ids: ['two'] })
  await idle(bench)
  t.match(bench.socket.frames().at(-1), { type: 'error', id: 'x', error: 'bad_request' })
  t.equal(bench.session.topics.size, 1001)
})

t.test('event types change what comes, with ids or alone', async (t) => {
  const bench = setUp()
  bench.subscribe({ agent_ids: ['a1'], event_types: ['x'] })
  await idle(bench)
  t.same(bench.session.eventTypes, new Set(['x']))
  bench.subscribe({ event_types: '*' })
  await idle(bench)
  t.equal(bench.session.eventTypes, null)
})

t.test('a message is acknowledged once it is stored', async (t) => {
  const bench = setUp()
  bench.context.subscriptions.send(bench.session, { type: 'send', id: 'm', to: 'task:t1', data: Buffer.from('{"x":1e0}'), traceparent: 'a-trace' })
  await idle(bench)
  t.match(bench.stored, [{ connectionId: bench.session.connectionId, userId: 'alice', to: 'task:t1', ts: Date, id: 'm', traceparent: 'a-trace' }])
  t.equal(String(bench.stored[0]?.data), '{"x":1e0}', 'byte for byte')
  t.same(bench.socket.frames(), [{ type: 'sent', id: 'm' }])
})

t.test('who may not send, or not there, is forbidden and nothing is stored', async (t) => {
  const cases = [
    [setUp(), 'agent:secret', 'access'],
    [setUp({ identity: { ...ALICE, scopes: new Set(['ws:sender', 'send']) } }), 'agent:a1', 'scope'],
    [setUp({ identity: { ...ALICE, scopes: new Set(), scopeMistake: 'scope is 7' } }), 'agent:a1', 'claim_type: scope is 7'],
    [setUp({ identity: { ...ALICE, insecure: true } }), 'agent:a1', 'insecure']
  ] as const
  for (const [bench, to, lacking] of cases) {
    bench.context.subscriptions.send(bench.session, { type: 'send', id: 'm', to, data: Buffer.from('1') })
    await idle(bench)
    t.same(bench.socket.frames(), [{ type: 'error', id: 'm', error: 'forbidden', message: 'not allowed, or no such thing' }], 'a client is not told which')
    t.same(bench.stored, [])
    t.same(bench.report.lines, [`denied ${to}: ${lacking}`])
  }
})

t.test('a full stream, too much of one user and a store that is away are told apart, and none is acknowledged', async (t) => {
  const full = setUp({ append: async () => 'full' })
  const userFull = setUp({ append: async () => 'user_full' })
  const away = setUp({ append: async () => { throw new Error('away') } })
  for (const [bench, error] of [[full, 'overloaded'], [userFull, 'too_many_requests'], [away, 'unavailable']] as const) {
    bench.context.subscriptions.send(bench.session, { type: 'send', id: 'm', to: 'agent:a1', data: Buffer.from('1') })
    await idle(bench)
    t.match(bench.socket.frames(), [{ type: 'error', id: 'm', error }])
  }
})

t.test('what was withdrawn ends, and is told and written down', async (t) => {
  const bench = setUp()
  bench.subscribe({ agent_ids: ['a1', 'a2'] })
  await idle(bench)
  bench.context.subscriptions.withdraw(bench.session, ['agent:a2', 'agent:other'])
  t.same([...bench.session.topics], ['agent:a1'])
  t.match(bench.socket.frames().at(-1), { type: 'error', error: 'forbidden', message: 'no longer allowed: agent:a2' })
  t.same(bench.report.lines, ['denied agent:a2: access lost'])
  bench.context.subscriptions.withdraw(bench.session, ['agent:a2'])
  t.equal(bench.socket.sent.length, 2, 'once')
})

t.test('a closed connection leaves every topic, and a new token is checked at once', async (t) => {
  const bench = setUp()
  bench.context.subscriptions.open(bench.session, { agents: ['a1'], tasks: ['t1'] }, true, NOTHING_OWN)
  await idle(bench)
  bench.context.subscriptions.identityChanged(bench.session)
  // As it is once a socket has closed: it joins nothing any more.
  bench.session.ending = refuse('normal')
  bench.context.subscriptions.close(bench.session)
  t.equal(bench.counts.size + bench.session.topics.size + bench.socket.topics.size, 0)
  t.same(bench.rights, ['add', 'recheck soon', 'remove'])
})

t.test('a fault on the way ends the connection and is reported', async (t) => {
  const bench = setUp()
  bench.socket.send = () => { throw new Error('bug') }
  bench.subscribe({ agent_ids: ['a1'] })
  await idle(bench)
  t.match(bench.socket.ended, { code: 4503 })
  t.match(bench.report.faults, [{ message: 'bug' }])
})

t.test('rights that change while they are asked for are asked for again, and not from a cache', async (t) => {
  let [changes, asked] = [0, 0]
  const { subscribe, socket, session } = setUp({
    generation: () => changes,
    visible: async (_who, _token, what, { fresh }) => {
      asked++
      t.equal(fresh, asked > 1)
      if (asked > 1) return { agents: [], tasks: [] }
      changes++
      return decide(what)
    }
  })
  subscribe({ id: '1', agent_ids: ['a1'] })
  await until('it is answered', () => socket.frames().length > 0)
  t.match(socket.frames(), [{ type: 'error', id: '1', error: 'forbidden' }])
  t.notOk(session.topics.has('agent:a1'), 'the answer from before the change is not used')
})

t.test('a token that is replaced while rights are asked for is not the one that decides', async (t) => {
  const asked: unknown[] = []
  const other = identityOf('alice', { org: 'other' })
  const bench = setUp({
    visible: async (who, _token, what) => {
      asked.push(who)
      if (asked.length > 1) return { agents: [], tasks: [] }
      bench.session.identity = other
      bench.session.identityGeneration++
      return decide(what)
    }
  })
  bench.subscribe({ id: '1', agent_ids: ['a1'] })
  await until('it is answered', () => bench.socket.frames().length > 0)
  t.same(asked, [ALICE, other])
  t.match(bench.socket.frames(), [{ type: 'error', error: 'forbidden' }])
})

t.test('a topic that is held already is confirmed anew before it is called subscribed', async (t) => {
  let away = false
  const { subscribe, socket, counts } = setUp({ confirm: async () => { if (away) throw new Error('away') } })
  subscribe({ id: '1', agent_ids: ['a1'] })
  await until('it is subscribed', () => socket.frames().length === 1)
  away = true
  subscribe({ id: '2', agent_ids: ['a1'] })
  await until('it is answered', () => socket.frames().length === 2)
  t.match(socket.frames()[1], { type: 'error', id: '2', error: 'unavailable' })
  t.equal(counts.get('agent:a1'), 1, 'the first subscription stays')
})

t.test('a subscribe that fails leaves the event types as they were', async (t) => {
  const { subscribe, socket, session } = setUp({ confirm: async () => { throw new Error('away') } })
  subscribe({ id: '1', agent_ids: ['a1'], event_types: ['only'] })
  await until('it is answered', () => socket.frames().length === 1)
  t.match(socket.frames(), [{ type: 'error', error: 'unavailable' }])
  t.equal(session.eventTypes, null)
})

t.test('a list over the limit is named as such and is no malformed frame', async (t) => {
  const { subscribe, socket, session } = setUp()
  const ids = Array.from({ length: 51 }, (_, n) => `a${n}`)
  for (const id of ['1', '2', '3', '4']) subscribe({ id, agent_ids: ids })
  t.match(socket.frames(), ['1', '2', '3', '4'].map(id => ({ type: 'error', id, error: 'bad_request' })))
  t.equal(session.ending, null)
})
