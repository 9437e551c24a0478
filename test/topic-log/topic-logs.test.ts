import t, { type Test } from 'tap'
import type { Bus, BusHandlers } from '../../src/bus/bus.js'
import { createMemoryBus, type MemoryBus } from '../../src/bus/memory-bus.js'
import type { History, HistorySettings } from '../../src/history/history.js'
import { createMemoryHistory } from '../../src/history/memory-history.js'
import { createMemoryTopics } from '../../src/history/memory-topics.js'
import { formatPosition, type Position } from '../../src/history/position.js'
import { createTopicLogs } from '../../src/topic-log/process-logs.js'
import type { TopicLogs } from '../../src/topic-log/topic-logs.js'
import { JsonText } from '../../src/wire/json-text.js'
import { until } from '../support/until.js'

const TOPIC = 'agent:1'
const SETTINGS: HistorySettings = { events: new Map([['agent', 200], ['user', 200]]), keepMs: 300_000, maxBytes: 1_048_576, metaMs: 86_400_000 }

/** Waits that end when the test says so. */
function createTestTimers () {
  const waiting = new Set<() => void>()
  return {
    after (_ms: number, call: () => void) {
      const wait = (): void => { waiting.delete(wait); call() }
      waiting.add(wait)
      return () => { waiting.delete(wait) }
    },
    soon: (call: () => void) => { setImmediate(call) },
    /** Ends every wait that has begun. */
    pass () { for (const wait of [...waiting]) wait() }
  }
}

interface Bench {
  readonly logs: TopicLogs
  readonly timers: ReturnType<typeof createTestTimers>
  /** What was given to live connections, in order. */
  readonly heard: string[]
  readonly bus: BusHandlers
  readonly reads: number
  /** Questions about heads that the store was asked. */
  readonly heads: number
  /** The same of those whose topic is to live on, and the process to be noted. */
  readonly touched: number
  /** Answers about heads are on their way from now on, each until it is released, the oldest first. */
  hold (): void
  release (): void
  /** The store loses all that it has. */
  empty (): void
  /** The next so many messages are lost on their way. */
  drop (count: number): void
  /** What the store does from now on in place of `readHeads` and `readEvents`; null: what it should. */
  fail (error: Error | null): void
  /** The same for `readEvents` alone. */
  failReads (error: Error | null): void
  publish (...data: number[]): Promise<Position>
}

interface Stage {
  readonly replicationId?: () => string
  readonly settings?: HistorySettings
  /** Of the store and the process, in ms since the epoch. */
  readonly now?: () => number
}

/** The logs of one process over a store in memory, whose messages may be lost. */
function setUp (t: Test, { replicationId = (): string => '', settings = SETTINGS, now = Date.now }: Stage = {}): Bench {
  const heard: string[] = []
  const timers = createTestTimers()
  const state: {
    drops: number,
    error: Error | null,
    readError: Error | null,
    reads: number,
    heads: number,
    touched: number,
    isHolding: boolean,
    bus: MemoryBus | null,
    handlers: BusHandlers | null
  } = { drops: 0, error: null, readError: null, reads: 0, heads: 0, touched: 0, isHolding: false, bus: null, handlers: null }
  const held: Array<() => void> = []
  const topics = createMemoryTopics()
  const store = createMemoryHistory({
    settings,
    topics,
    now,
    replicationId,
    nameEpoch: () => Math.random().toString(16).slice(2).padEnd(24, '0').slice(0, 24),
    onPublished (topic, payload) { if (state.drops > 0) state.drops--; else state.bus?.carry(topic, payload) }
  })
  const history: History = {
    ...store,
    async readHeads (questions) {
      state.heads += questions.length
      state.touched += questions.filter(({ touch }) => touch).length
      if (state.error !== null) throw state.error
      const answers = await store.readHeads(questions)
      if (state.isHolding) await new Promise<void>((resolve) => { held.push(resolve) })
      return answers
    },
    async readEvents (topic, range) {
      const error = state.error ?? state.readError
      if (error !== null) throw error
      return await store.readEvents(topic, range)
    }
  }
  const logs = createTopicLogs({
    history,
    settings,
    readHead: null,
    now,
    timers,
    onRead: () => { state.reads++ },
    openBus (handlers): Bus {
      state.handlers = handlers
      state.bus = createMemoryBus(handlers)
      return state.bus
    }
  })
  logs.start({
    onEntry: (_topic, { offset, event }) => { heard.push(event === null ? `(${offset})` : String(offset)) },
    onPlain: () => { heard.push('plain') },
    onGap: (_topic, position) => { heard.push(`gap ${position.offset}`) },
    onOpen: () => {}
  })
  t.teardown(logs.close.bind(logs))
  const handlers = state.handlers
  if (handlers === null) throw new Error('no bus was opened')
  return {
    logs,
    timers,
    heard,
    bus: handlers,
    get reads () { return state.reads },
    get heads () { return state.heads },
    get touched () { return state.touched },
    hold () { state.isHolding = true },
    release () { held.shift()?.() },
    empty () {
      topics.heads.clear()
      topics.hashes.clear()
    },
    drop (count) { state.drops = count },
    fail (error) { state.error = error },
    failReads (error) { state.readError = error },
    async publish (...data) {
      const outcomes = await history.publish(data.map(n => ({ topic: TOPIC, event: 'e', data: JsonText.from(n), id: null })))
      const last = outcomes.at(-1)
      if (last?.status !== 'fulfilled') throw new Error('not published')
      return { epoch: last.value.epoch, offset: last.value.offset }
    }
  }
}

/** Any answer of the store is new enough. */
const ANY = 0
const AWAY = new Error('Connection is closed.')

t.test('a subscription knows where it begins, and hears what follows', async (t) => {
  const { logs, heard, publish } = setUp(t)
  const before = await publish(1, 2)
  await logs.subscribe(TOPIC)
  t.same(logs.positionOf(TOPIC), before)
  await publish(3, 4)
  await until('both are heard', () => heard.length === 2)
  t.same(heard, ['3', '4'])
})

t.test('a message that is lost on its way is read when the next one comes', async (t) => {
  const bench = setUp(t)
  await bench.logs.subscribe(TOPIC)
  await bench.publish(1)
  bench.drop(2)
  await bench.publish(2, 3, 4)
  await until('all are heard', () => bench.heard.length === 4)
  t.same(bench.heard, ['1', '2', '3', '4'])
  t.equal(bench.reads, 1)
})

t.test('a last message that is lost is found by comparing, once it has had its time', async (t) => {
  const bench = setUp(t)
  await bench.logs.subscribe(TOPIC)
  bench.drop(1)
  await bench.publish(1)
  for (let n = 0; bench.heard.length === 0 && n < 200; n++) {
    bench.timers.pass()
    await new Promise<void>((resolve) => { setImmediate(resolve) })
  }
  t.same(bench.heard, ['1'])
})

t.test('after a loss of the connection what came meanwhile is read; what is not kept any more is a gap', async (t) => {
  const bench = setUp(t)
  await bench.logs.subscribe(TOPIC)
  await bench.publish(1)
  await until('it is heard', () => bench.heard.length === 1)
  bench.bus.onUnheard?.([TOPIC])
  bench.drop(100)
  await bench.publish(...Array.from({ length: 100 }, (_, n) => n))
  bench.bus.onHeard?.(TOPIC)
  await until('all are heard', () => bench.heard.length === 101)
  t.same(bench.heard.slice(-2), ['100', '101'])
  bench.bus.onUnheard?.([TOPIC])
  bench.drop(300)
  await bench.publish(...Array.from({ length: 300 }, (_, n) => n))
  bench.bus.onHeard?.(TOPIC)
  await until('the rest is heard', () => bench.heard.at(-1) === '401')
  t.same(bench.heard.slice(101, 103), ['gap 201', '202'], 'the newest 200 are kept')
})

t.test('a store that is away fails a subscription, and is asked again until it answers', async (t) => {
  const bench = setUp(t)
  bench.fail(AWAY)
  await t.rejects(bench.logs.subscribe(TOPIC), AWAY)
  bench.fail(null)
  bench.timers.pass()
  await until('it is open', () => bench.logs.isOpen(TOPIC))
  await bench.publish(1)
  await until('it is heard', () => bench.heard.length === 1)
})

t.test('a store that will not tell shuts no door: what is heard is passed on', async (t) => {
  const bench = setUp(t)
  bench.fail(new Error('NOPERM this user has no permissions'))
  await bench.logs.subscribe(TOPIC)
  t.equal(bench.logs.positionOf(TOPIC), null)
  await bench.publish(1)
  await until('it is heard', () => bench.heard.length === 1)
  t.notOk(await bench.logs.reach(TOPIC, { epoch: 'x', offset: 0 }, ANY))
})

t.test('another line of data is another epoch, and a gap for those who stayed', async (t) => {
  let replicationId = 'a'
  const bench = setUp(t, { replicationId: () => replicationId })
  await bench.logs.subscribe(TOPIC)
  const before = await bench.publish(1, 2)
  await until('both are heard', () => bench.heard.length === 2)
  replicationId = 'b'
  await bench.publish(3)
  await until('it is heard', () => bench.heard.length === 4)
  t.same(bench.heard, ['1', '2', 'gap 0', '1'])
  t.notOk(await bench.logs.reach(TOPIC, before, ANY), 'nobody vouches for what came between')
})

t.test('what came before is read once for all who wait for it, and not at all while it is held', async (t) => {
  const bench = setUp(t)
  const start = await bench.publish(1)
  await bench.publish(...Array.from({ length: 150 }, (_, n) => n))
  await bench.logs.subscribe(TOPIC)
  const positions = Array.from({ length: 10_000 }, (_, n) => ({ ...start, offset: 1 + n % 100 }))
  const reached = await Promise.all(positions.map(async position => await bench.logs.reach(TOPIC, position, ANY)))
  t.ok(reached.every(isThere => isThere))
  t.ok(bench.reads <= 4, `${bench.reads} reads`)
  const reads = bench.reads
  t.ok(bench.logs.holdsAfter(TOPIC, start))
  t.ok(await bench.logs.reach(TOPIC, start, ANY))
  t.equal(bench.reads, reads)
  t.equal(bench.logs.after(TOPIC, start)?.offset, 2)
  t.notOk(await bench.logs.reach(TOPIC, { ...start, offset: 999 }, ANY), 'ahead')
  t.same(await bench.logs.reachLast(TOPIC, 10, ANY), { ...start, offset: 141 })
  t.same(await bench.logs.reachLast(TOPIC, 999, ANY), { ...start, offset: 0 })
})

t.test('a position that another process has heard of already is waited for, not refused', async (t) => {
  const bench = setUp(t)
  await bench.logs.subscribe(TOPIC)
  bench.drop(1)
  const ahead = await bench.publish(1)
  t.equal(bench.logs.positionOf(TOPIC)?.offset, 0)
  t.ok(await bench.logs.reach(TOPIC, ahead, ANY))
  t.equal(formatPosition(bench.logs.positionOf(TOPIC) ?? ahead), formatPosition(ahead))
  t.same(bench.heard, ['1'])
})

t.test('what is published and is no event takes its offset', async (t) => {
  const bench = setUp(t)
  await bench.logs.subscribe(TOPIC)
  const { epoch } = await bench.publish(1)
  bench.bus.onBlank?.(TOPIC, { epoch, offset: 2, atMs: 0, id: null })
  await until('both are heard', () => bench.heard.length === 2)
  t.same(bench.heard, ['1', '(2)'])
})

t.test('a head that is known beforehand opens a log without a question, unless something may have been missed since it was asked for', async (t) => {
  const told: string[] = []
  let [completeSinceMs, questions] = [10, 0]
  const position = (offset: number): string => `${'a'.repeat(24)}:${offset}`
  const head = { epoch: 'a'.repeat(24), top: 5, topAtMs: 1, isKept: true }
  const early: number[] = []
  const logs = createTopicLogs({
    history: {
      publish: async () => [],
      readEvents: async () => ({ head, events: [] }),
      renew: async () => head,
      close () {},
      readHeads: async (asked) => { questions++; return asked.map(() => ({ status: 'fulfilled', value: { ...head, top: 7 } })) }
    },
    settings: SETTINGS,
    readHead: null,
    timers: createTestTimers(),
    openBus: ({ onEvent, onHeard }) => ({
      async subscribe (topic) {
        onHeard?.(topic)
        for (const offset of early) onEvent(topic, { event: 'e', data: JsonText.from(offset) }, { epoch: head.epoch, offset, atMs: 1, id: null })
      },
      unsubscribe () {},
      publish: async () => {},
      close: async () => {},
      completeSinceMs: () => completeSinceMs
    })
  })
  t.teardown(logs.close.bind(logs))
  logs.start({
    onEntry: (topic, { offset }) => { told.push(`${topic} ${offset}`) }, onPlain () {}, onGap: (topic) => { told.push(`${topic} gap`) }, onOpen () {}
  })
  early.push(5, 6)
  await logs.subscribe('user:alice', { head, askedAtMs: 11 })
  t.same([logs.positionOf('user:alice')].map(at => at && formatPosition(at)), [position(6)])
  t.same(told.splice(0), ['user:alice 6'], 'what came before it was asked for is in the head, what came since follows')
  t.equal(questions, 0)
  for (const [topic, askedAtMs] of [['user:bob', 10], ['user:carol', 9]] as const) {
    await logs.subscribe(topic, { head, askedAtMs })
    t.same([logs.positionOf(topic)].map(at => at && formatPosition(at)), [position(7)], topic)
  }
  t.equal(questions, 2)
  completeSinceMs = Infinity
  await logs.subscribe('user:dave', { head, askedAtMs: 1e9 })
  t.equal(questions, 3, 'the channel is not heard')
})

t.test('what comes in the turn that opens a log by a known head is newer than that head: the store is asked which numbering is in force', async (t) => {
  const told: string[] = []
  const [before, after] = ['a'.repeat(24), 'b'.repeat(24)]
  const headOf = (epoch: string, top: number) => ({ epoch, top, topAtMs: 1, isKept: true })
  const logs = createTopicLogs({
    history: {
      publish: async () => [],
      readEvents: async () => ({ head: headOf(after, 1), events: [] }),
      renew: async () => headOf(after, 1),
      close () {},
      readHeads: async asked => asked.map(() => ({ status: 'fulfilled', value: headOf(after, 1) }))
    },
    settings: SETTINGS,
    readHead: null,
    timers: createTestTimers(),
    openBus: ({ onEvent, onHeard }) => ({
      async subscribe (topic) {
        // A topic of several channels is heard with the last of them, and what came before is given with the first.
        onEvent(topic, { event: 'e', data: JsonText.from(1) }, { epoch: after, offset: 1, atMs: 1, id: null })
        onHeard?.(topic)
      },
      unsubscribe () {},
      publish: async () => {},
      close: async () => {},
      completeSinceMs: () => 0
    })
  })
  t.teardown(logs.close.bind(logs))
  logs.start({ onEntry: (_topic, { offset }) => { told.push(`${offset}`) }, onPlain () {}, onGap: (_topic, { offset }) => { told.push(`gap ${offset}`) }, onOpen () {} })
  await logs.subscribe('user:alice', { head: headOf(before, 5), askedAtMs: 1 })
  await until('the new numbering is taken', () => told.length === 2)
  t.same(told, ['gap 0', '1'])
})

t.test('where the store was away as a topic was heard, the question that it answers notes the process as well', async (t) => {
  const bench = setUp(t)
  bench.fail(AWAY)
  await t.rejects(bench.logs.subscribe(TOPIC), AWAY)
  bench.fail(null)
  const before = bench.touched
  bench.timers.pass()
  await until('it is asked again', () => bench.logs.isOpen(TOPIC))
  t.equal(bench.touched, before + 1)
})

t.test('a process that has seen an offset twice asks again soon where the store does not answer: nobody else may know', async (t) => {
  const bench = setUp(t)
  await bench.logs.subscribe(TOPIC)
  const { epoch } = await bench.publish(1)
  const turns = async (): Promise<void> => { for (let n = 0; n < 20; n++) await new Promise<void>((resolve) => { setImmediate(resolve) }) }
  // The comparison of this round is over: what is asked from now on is no part of it.
  bench.timers.pass()
  await turns()
  bench.fail(AWAY)
  bench.bus.onEvent(TOPIC, { event: 'e', data: JsonText.from(2) }, { epoch, offset: 1, atMs: 1, id: null })
  await turns()
  bench.fail(null)
  t.same(bench.heard, ['1'])
  bench.timers.pass()
  await turns()
  t.same(bench.heard, ['1', 'gap 0'])
})

t.test('a process that has seen an offset twice says so even after the topic is left: who comes back has a position of what was lost', async (t) => {
  const { logs, timers, bus, fail, publish } = setUp(t)
  await logs.subscribe(TOPIC)
  const { epoch } = await publish(1)
  const turns = async (): Promise<void> => { for (let n = 0; n < 20; n++) await new Promise<void>((resolve) => { setImmediate(resolve) }) }
  timers.pass()
  await turns()
  fail(AWAY)
  bus.onEvent(TOPIC, { event: 'e', data: JsonText.from(2) }, { epoch, offset: 1, atMs: 1, id: null })
  await turns()
  logs.unsubscribe(TOPIC)
  bus.onLeft?.(TOPIC)
  await turns()
  for (const error of [AWAY, null]) {
    fail(error)
    timers.pass()
    await turns()
  }
  await logs.subscribe(TOPIC)
  t.not(logs.positionOf(TOPIC)?.epoch, epoch)
})

t.test('who comes back is told by what the store says after that, once for all who come; the next question waits for its turn', async (t) => {
  const bench = setUp(t)
  const { logs, timers, publish } = bench
  await logs.subscribe(TOPIC)
  const had = await publish(1, 2, 3)
  const from = { ...had, offset: 1 }
  const before = bench.heads
  t.same(await Promise.all([1, 2, 3].map(async () => await logs.reach(TOPIC, from, logs.moment()))), [true, true, true])
  t.equal(bench.heads, before + 1)
  bench.empty()
  // The store was emptied, and nothing has been published since that would tell.
  const late = logs.reach(TOPIC, from, logs.moment())
  await new Promise<void>((resolve) => { setImmediate(resolve) })
  t.equal(bench.heads, before + 1, 'the next question has its time')
  timers.pass()
  t.equal(await late, false)
  t.equal(bench.heads, before + 2)
})

t.test('who waits for the next question is told where the topic is left meanwhile', async (t) => {
  const { logs, timers, bus, publish } = setUp(t)
  await logs.subscribe(TOPIC)
  const from = { ...await publish(1, 2), offset: 1 }
  t.equal(await logs.reach(TOPIC, from, logs.moment()), true)
  const told = t.rejects(logs.reach(TOPIC, from, logs.moment()), { message: 'the topic was left' })
  await new Promise<void>((resolve) => { setImmediate(resolve) })
  logs.unsubscribe(TOPIC)
  bus.onLeft?.(TOPIC)
  timers.pass()
  await told
})

t.test('who comes back is not told by an answer that was under way before', async (t) => {
  const { logs, timers, publish, hold, release, empty } = setUp(t)
  const turns = async (): Promise<void> => { for (let n = 0; n < 20; n++) await new Promise<void>((resolve) => { setImmediate(resolve) }) }
  await logs.subscribe(TOPIC)
  const had = await publish(1, 2)
  hold()
  // A comparison begins.
  timers.pass()
  await turns()
  empty()
  const reached = logs.reach(TOPIC, { ...had, offset: 1 }, logs.moment())
  await turns()
  release()
  await turns()
  release()
  t.equal(await reached, false)
})

t.test('what this process still holds is not given where the store does not keep it: by number, bytes and age', async (t) => {
  for (const [title, settings, atMs, since, kept] of [
    ['number', { events: new Map([['agent', 3]]) }, 0, [6, 7, 9, 10], [false, true, true, true]],
    ['none', { events: new Map([['agent', 0]]) }, 0, [8, 9, 10], [false, false, true]],
    ['bytes', { maxBytes: 70 }, 0, [8, 9, 10], [false, false, true]],
    ['age', { keepMs: 2000 }, 3000, [8, 9, 10], [false, false, true]],
    ['age within the margin of the clocks', { keepMs: 2000 }, 1500, [8, 9, 10], [true, true, true]]
  ] as const) {
    await t.test(title, async (t) => {
      const clock = { nowMs: 1_000_000 }
      const { logs, publish } = setUp(t, { settings: { ...SETTINGS, ...settings }, now: () => clock.nowMs })
      await logs.subscribe(TOPIC)
      const { epoch } = await publish(...Array.from({ length: 10 }, (_, n) => n))
      clock.nowMs += atMs
      const reached = await Promise.all(since.map(async offset => await logs.reach(TOPIC, { epoch, offset }, ANY)))
      t.same(reached, kept)
      if (title === 'number') t.same(await logs.reachLast(TOPIC, 10, ANY), { epoch, offset: 7 })
    })
  }
})

t.test('who names a position that was not heard yet is not told that it is lost while the store does not answer', async (t) => {
  const { logs, timers, heard, drop, failReads, publish } = setUp(t)
  await logs.subscribe(TOPIC)
  drop(1)
  const ahead = await publish(1)
  failReads(AWAY)
  await t.rejects(logs.reach(TOPIC, ahead, ANY), AWAY)
  failReads(null)
  const again = logs.reach(TOPIC, ahead, ANY)
  timers.pass()
  t.equal(await again, true)
  t.same(heard, ['1'])
})
