import fc from 'fast-check'
import t, { type Test } from 'tap'
import { channelsOf } from '../../src/bus/topics.js'
import type { Head, History, HistorySettings, Range } from '../../src/history/history.js'
import { createMemoryHistory } from '../../src/history/memory-history.js'
import { createMemoryTopics, type MemoryTopics } from '../../src/history/memory-topics.js'
import { createRedisHistory } from '../../src/history/redis-history.js'
import { historyKey } from '../../src/redis/keys.js'
import { JsonText } from '../../src/wire/json-text.js'
import { createTestClock, type TestClock } from '../limits/clocks.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { HANG_MS } from '../support/until.js'
import { hearAll, runHistoryByClock } from './subjects.js'

// The simulator has the memory history in Redis's place. So both get the same calls, and must give the same answers and publish
// the same messages, byte for byte; an epoch is named as Redis named it.

const KEEP_MS = 300_000
const MAX_BYTES = 1500
/** Sequences, of 20 to 80 calls each. */
const RUNS = 150
const START_MS = 1_800_000_000_000

interface EventStep { readonly event: string, readonly id: string | null, readonly size: number }

type Step =
  | { readonly do: 'publish', readonly topic: string, readonly events: readonly EventStep[] }
  | { readonly do: 'head', readonly topic: string, readonly epochsAgo: number, readonly back: number, readonly asks: boolean }
  | { readonly do: 'read', readonly topic: string, readonly epochsAgo: number, readonly back: number, readonly length: number }
  | { readonly do: 'renew', readonly topic: string, readonly isStale: boolean }
  | { readonly do: 'wait', readonly ms: number }
  | { readonly do: 'evict', readonly topic: string, readonly what: 'head' | 'events' }
  | { readonly do: 'copy' | 'restore' | 'flush' | 'replicate' }

const TOPICS = ['agent:a:1', 'task:t1', 'user:ü"\\']
const topic = fc.constantFrom(...TOPICS)
const id = fc.option(fc.constantFrom('i1', 'i2', 'ï"\\\n', 'x'.repeat(64)), { freq: 2 })
const event = fc.constantFrom('e', 'ü"\\\u007f\u0001\u0085', '')
const back = fc.integer({ min: -1, max: 8 })
const ms = fc.oneof(fc.integer({ min: 0, max: 150_000 }), fc.constantFrom(-100_000, -1_000_000, KEEP_MS))
const epochsAgo = fc.integer({ min: 0, max: 2 })
/** Those of one step go to Redis in one call. */
const events = fc.array(fc.record({ event, id, size: fc.constantFrom(1, 20, 150, 700, 1600) }), { minLength: 1, maxLength: 4 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constant('publish' as const), topic, events }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('head' as const), topic, epochsAgo, back, asks: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), topic, epochsAgo, back, length: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('renew' as const), topic, isStale: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('evict' as const), topic, what: fc.constantFrom('head' as const, 'events' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('copy' as const, 'restore' as const, 'flush' as const, 'replicate' as const) }) }
)

/** What the test does to a store beside calling it. */
interface Subject {
  readonly history: History
  readonly evict: (topic: string, what: 'head' | 'events') => Promise<void>
  readonly copy: () => Promise<void>
  /** Puts the last copy in place of all; nothing where there was none. */
  readonly restore: () => Promise<void>
  readonly flush: () => Promise<void>
  readonly replicate: () => Promise<void>
}

function createRedisSubject ({ client }: TestRedis, clock: TestClock, settings: HistorySettings, prefix: string): Subject {
  const history = createRedisHistory({ client: runHistoryByClock(client, clock), prefix, settings, timeoutMs: HANG_MS })
  const keyOf = (topic: string): string => historyKey(prefix, channelsOf(topic, prefix)[0] ?? '')
  const allKeys = async (): Promise<string[]> => (await client.keys('*')).filter(key => key.startsWith(prefix))
  const drop = async (keys: readonly string[]): Promise<void> => { if (keys.length > 0) await client.del(...keys) }
  let copied: Array<readonly [string, Buffer]> | null = null
  return {
    history,
    evict: async (topic, what) => {
      await drop(what === 'head' ? [keyOf(topic)] : (await allKeys()).filter(key => key.startsWith(`${keyOf(topic)}:events:`)))
    },
    copy: async () => {
      copied = []
      for (const key of await allKeys()) copied.push([key, await client.dumpBuffer(key) ?? Buffer.alloc(0)])
    },
    restore: async () => {
      if (copied === null) return
      await drop(await allKeys())
      for (const [key, dump] of copied) await client.restore(key, 0, dump)
    },
    flush: async () => { await drop(await allKeys()) },
    replicate: async () => { await client.call('DEBUG', 'CHANGE-REPL-ID') }
  }
}

const copyTopics = ({ heads, hashes }: MemoryTopics): MemoryTopics => ({
  heads: new Map([...heads].map(([name, head]) => [name, { ...head, expiresAtMs: Infinity }])),
  hashes: new Map([...hashes].map(([name, { items, ids }]) => [name, { items: new Map(items), ids: new Map(ids), expiresAtMs: Infinity }]))
})

function createMemorySubject (clock: TestClock, settings: HistorySettings, prefix: string, nameEpoch: () => string) {
  const topics = createMemoryTopics()
  const published: Array<readonly [string, string]> = []
  let replications = 0
  let copied: MemoryTopics | null = null
  const history = createMemoryHistory({
    settings,
    topics,
    now: clock.now,
    nameEpoch,
    replicationId: () => String(replications),
    onPublished: (topic, payload) => { published.push([channelsOf(topic, prefix)[0] ?? '', payload.toString('latin1')]) }
  })
  const subject: Subject = {
    history,
    evict: async (topic, what) => {
      if (what === 'head') topics.heads.delete(topic)
      else for (const name of topics.hashes.keys()) if (name.startsWith(`${topic} `)) topics.hashes.delete(name)
    },
    copy: async () => { copied = copyTopics(topics) },
    restore: async () => {
      if (copied === null) return
      const { heads, hashes } = copyTopics(copied)
      topics.heads.clear()
      topics.hashes.clear()
      for (const [name, head] of heads) topics.heads.set(name, head)
      for (const [name, hash] of hashes) topics.hashes.set(name, hash)
    },
    flush: async () => {
      topics.heads.clear()
      topics.hashes.clear()
    },
    replicate: async () => { replications++ }
  }
  return { subject, published }
}

/** What a subject answered, as text that can be compared; what is rejected is so alike. */
function toText (answer: unknown): string {
  return JSON.stringify(answer, (key, value: unknown) => {
    if (key === 'reason') return 'rejected'
    return key === 'payload' ? Buffer.from((value as { data: number[] }).data).toString('latin1') : value
  }) ?? ''
}

/** Does a step; what names an epoch or a head does so by what was answered before, so it is the same for both. */
async function perform ({ history, ...subject }: Subject, one: Step, past: Past): Promise<unknown> {
  if (one.do === 'publish') {
    return await history.publish(one.events.map(({ event, id, size }) => ({ topic: one.topic, event, data: JsonText.from('ü'.repeat(size)), id })))
  }
  if (one.do === 'head') {
    const since = one.asks ? past.position(one.topic, one.epochsAgo, one.back) : null
    return await history.readHeads([{ topic: one.topic, since, touch: one.back % 2 === 0 }])
  }
  if (one.do === 'read') {
    const { epoch, offset: to } = past.position(one.topic, one.epochsAgo, one.back)
    const range: Range = { epoch, from: to - one.length + 1, to }
    return await history.readEvents(one.topic, range)
  }
  if (one.do === 'renew') return await history.renew(one.topic, past.seen(one.topic, one.isStale))
  if (one.do === 'evict') await subject.evict(one.topic, one.what)
  else if (one.do !== 'wait') await subject[one.do]()
  return null
}

/** Epochs and heads that Redis has told of, by topic. */
class Past {
  private readonly epochs = new Map<string, string[]>()
  private readonly heads = new Map<string, Head[]>()

  position (topic: string, epochsAgo: number, back: number) {
    const { top = 0 } = this.heads.get(topic)?.at(-1) ?? {}
    return { epoch: this.epochs.get(topic)?.at(-1 - epochsAgo) ?? 'none', offset: Math.max(0, top - back) }
  }

  seen (topic: string, isStale: boolean): Head {
    return this.heads.get(topic)?.at(isStale ? -2 : -1) ?? { epoch: 'none', top: 0, topAtMs: 0 }
  }

  /** Notes the head that is in force; returns whether its epoch is new. */
  note (topic: string, head: Head): boolean {
    const [epochs, heads] = [this.epochs.get(topic) ?? [], this.heads.get(topic) ?? []]
    const isNew = !epochs.includes(head.epoch)
    if (isNew) epochs.push(head.epoch)
    heads.push(head)
    this.epochs.set(topic, epochs)
    this.heads.set(topic, heads)
    return isNew
  }
}

const EPOCH = /"epoch":"([^"]+)"/

interface Comparison {
  readonly difference: string | null
  /** By the memory history. */
  readonly published: Array<readonly [string, string]>
}

/** Runs one history on both; gives the first difference. */
async function compare (redis: TestRedis, prefix: string, settings: HistorySettings, steps: readonly Step[]): Promise<Comparison> {
  const clock = createTestClock(START_MS)
  const past = new Past()
  let named: string | null = null
  const real = createRedisSubject(redis, clock, settings, prefix)
  const { subject: memory, published } = createMemorySubject(clock, settings, prefix, () => {
    if (named === null) throw new Error('Redis began no epoch')
    return named
  })
  for (const [place, one] of steps.entries()) {
    if (one.do === 'wait') clock.advance(one.ms)
    const expected = await perform(real, one, past).catch((error: unknown) => `rejected: ${String(error)}`)
    named = EPOCH.exec(toText(expected))?.[1] ?? null
    const actual = await perform(memory, one, past).catch((error: unknown) => `rejected: ${String(error)}`)
    if (toText(expected) !== toText(actual)) return { difference: `step ${place}: Redis ${toText(expected)}, memory ${toText(actual)}`, published }
    if (!('topic' in one)) continue
    const [now] = await real.history.readHeads([{ topic: one.topic, since: null, touch: false }])
    if (now?.status !== 'fulfilled') return { difference: `step ${place}: no head`, published }
    named = now.value.epoch
    await memory.history.readHeads([{ topic: one.topic, since: null, touch: false }])
    past.note(one.topic, now.value)
  }
  return { difference: null, published }
}

async function check (t: Test, settings: HistorySettings, numRuns: number): Promise<void> {
  const redis = await startRedis(t, { args: ['--enable-debug-command', 'yes'] })
  const heard = await hearAll(t, redis)
  let runs = 0
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
    const before = (await heard()).length
    const { difference, published } = await compare(redis, `r${runs++}:`, settings, steps)
    if (difference !== null) throw new Error(difference)
    const real = (await heard()).slice(before)
    if (JSON.stringify(real) !== JSON.stringify(published)) {
      throw new Error(`published: Redis ${JSON.stringify(real)}, memory ${JSON.stringify(published)}`)
    }
  // Shrinking takes longer than a test may: the seed that is printed is the report. To shrink one, give it here without endOnFailure.
  }), { numRuns, endOnFailure: true })
  t.pass()
}

t.test('the history in memory answers and publishes what Redis does, in any sequence of calls and mishaps', async (t) => {
  const events = new Map([['agent', 3], ['task', 0], ['user', 8]])
  await check(t, { events, keepMs: KEEP_MS, maxBytes: MAX_BYTES, metaMs: 1e12 }, RUNS)
})
