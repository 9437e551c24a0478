import type { Test } from 'tap'
import type { Head, HeadAnswer, History, HistorySettings, Publication, Published } from '../../src/history/history.js'
import { JsonText } from '../../src/wire/json-text.js'
import type { Heard } from './subjects.js'

export const SETTINGS: HistorySettings = {
  events: new Map([['agent', 5], ['task', 0], ['user', 100]]), keepMs: 300_000, maxBytes: 2000, metaMs: 86_400_000
}

/** A history with an empty store, and what a test does to the store beside calling it. */
export interface Subject {
  readonly history: History
  /** What was published, from the beginning. */
  readonly heard: () => Promise<readonly Heard[]>
  /** Lets time pass, for what is kept as for what is to come. */
  readonly pass: (ms: number) => Promise<void>
  readonly evict: (topic: string, what: 'head' | 'events') => Promise<void>
  readonly flush: () => Promise<void>
  /** The store's data is of another line from now on. */
  readonly replicate: () => Promise<void>
  /** Takes a copy of a topic's keys; the result puts it back in their place. */
  readonly copy: (topic: string) => Promise<() => Promise<void>>
}

export type MakeSubject = (t: Test, settings: HistorySettings) => Promise<Subject>

export const publication = (topic: string, data: unknown = 1, id: string | null = null): Publication => ({ topic, event: 'e', data: JsonText.from(data), id })

/** Publishes one event; throws what it was rejected with. */
export async function publishOne (history: History, one: Publication): Promise<Published> {
  const [result] = await history.publish([one])
  if (result?.status !== 'fulfilled') throw result?.reason
  return result.value
}

export async function readOne (history: History, topic: string, offset?: number, epoch?: string): Promise<HeadAnswer> {
  const since = offset === undefined ? null : { epoch: epoch ?? (await readOne(history, topic)).epoch, offset }
  const [result] = await history.readHeads([{ topic, since, touch: true }])
  if (result?.status !== 'fulfilled') throw result?.reason
  return result.value
}

/** The offsets of what is kept up to the top. */
export async function keptOffsets (history: History, topic: string): Promise<number[]> {
  const { epoch, top } = await readOne(history, topic)
  return (await history.readEvents(topic, { epoch, from: 1, to: top })).events.map(({ offset }) => offset)
}

async function fill (history: History, topic: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await publishOne(history, publication(topic))
}

/** What every history does, whatever keeps it. */
export function testHistory (t: Test, make: MakeSubject): void {
  testNumbering(t, make)
  testIds(t, make)
  testTrimming(t, make)
  testReading(t, make)
  testEpochs(t, make)
}

function testNumbering (t: Test, make: MakeSubject): void {
  t.test('events of a topic are numbered from 1 without holes, and published as they are kept', async (t) => {
    const { history, heard } = await make(t, SETTINGS)
    const before = await readOne(history, 'agent:a1')
    t.match(before, { top: 0, topAtMs: 0, isKept: false })
    const published = await history.publish([publication('agent:a1', { n: 1 }), publication('agent:a1', 'ü', 'i"1'), publication('task:t1')])
    const { epoch } = before
    t.same(published.slice(0, 2).map(result => result.status === 'fulfilled' ? result.value : result), [
      { epoch, offset: 1, isDuplicate: false }, { epoch, offset: 2, isDuplicate: false }
    ])
    const { top, topAtMs } = await readOne(history, 'agent:a1')
    t.equal(top, 2)
    const { head, events } = await history.readEvents('agent:a1', { epoch, from: 1, to: 2 })
    t.same(head, { epoch, top, topAtMs })
    const messages = (await heard()).filter(([channel]) => channel === 'ws:topic:agent:a1').map(([, message]) => message)
    t.same(events.map(({ payload }) => payload.toString('latin1')), messages)
    t.match(messages[0], new RegExp(`^\\{"pos":"${epoch}:1","ts":\\d{13},"event":"e","data":\\{"n":1\\}\\}$`))
    t.same(JSON.parse(Buffer.from(messages[1] ?? '', 'latin1').toString()), { pos: `${epoch}:2`, ts: topAtMs, id: 'i"1', event: 'e', data: 'ü' })
    t.equal((await readOne(history, 'task:t1')).top, 1)
  })

  t.test('publications of one topic keep their order, however many are under way', async (t) => {
    const { history, heard } = await make(t, SETTINGS)
    const all = await Promise.all(Array.from({ length: 10 }, async (_, call) => await history.publish(
      Array.from({ length: 30 }, (_, n) => publication('user:alice', call * 30 + n))
    )))
    t.same(all.flat().map(result => result.status === 'fulfilled' ? result.value.offset : result), Array.from({ length: 300 }, (_, n) => n + 1))
    const data = (await heard()).map(([, message]) => (JSON.parse(message) as { data: number }).data)
    t.same(data, Array.from({ length: 300 }, (_, n) => n))
  })

  t.test('data arrives and is kept byte for byte, whatever it is', async (t) => {
    const { history, heard } = await make(t, SETTINGS)
    const written = ['{"b":1,"a":9007199254740993,"c":1e400}', '"\\u00e9\\/\\ud800"', '}{ no JSON \n', '\xff\xfe\0', ''].map(text => Buffer.from(text, 'latin1'))
    await history.publish(written.map(bytes => ({ topic: 'agent:a1', event: 'ü"\\\n\x7f', data: JsonText.ofChecked(bytes), id: null })))
    const { epoch } = await readOne(history, 'agent:a1')
    const { events } = await history.readEvents('agent:a1', { epoch, from: 1, to: 5 })
    const ends = (messages: readonly string[]) => messages.map(message => message.slice(message.indexOf(',"event":')))
    const expected = written.map(bytes => `,"event":"${Buffer.from('ü\\u0022\\u005c\\u000a\\u007f').toString('latin1')}","data":${bytes.toString('latin1')}}`)
    t.same(ends(events.map(({ payload }) => payload.toString('latin1'))), expected)
    t.same(ends((await heard()).map(([, message]) => message)), expected)
  })

  t.test('a trace goes along with its own event alone, to who listens and to who comes later', async (t) => {
    const { history, heard } = await make(t, SETTINGS)
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const [plain, traced] = [publication('agent:a1', 1, 'i'), { ...publication('agent:a1', 2, 'j'), trace }]
    await history.publish([plain, traced, { ...publication('agent:a1', 3), trace }, plain])
    const { epoch } = await readOne(history, 'agent:a1')
    const { events } = await history.readEvents('agent:a1', { epoch, from: 1, to: 3 })
    const kept = events.map(({ payload }) => JSON.parse(payload.toString()) as { data: number, id?: string, trace?: string })
    t.same(kept.map(({ data, id, trace }) => [data, id, trace]), [[1, 'i', undefined], [2, 'j', trace], [3, undefined, trace]])
    t.same((await heard()).map(([, message]) => message), events.map(({ payload }) => payload.toString('latin1')))
    const [refused] = await history.publish([{ ...publication('agent:a1'), trace: '00-"-"-01' }])
    t.equal(refused?.status, 'rejected')
  })

  t.test('what is no event is refused alone, and numbers nothing', async (t) => {
    const { history, heard } = await make(t, SETTINGS)
    const wrong: Publication[] = [
      { ...publication('agent:a1'), event: '' }, { ...publication('agent:a1'), event: 'e'.repeat(129) }, publication('agent:a1', 1, ''),
      publication('agent:a1', 1, 'i'.repeat(65)), publication('agent:a1', 'x'.repeat(1_048_576)), publication('nobody:x'), publication('agent:ü')
    ]
    const results = await history.publish([...wrong, { ...publication('agent:a1', 1, '🙂'.repeat(64)), event: '🙂'.repeat(128) }])
    t.same(results.map(({ status }) => status), [...wrong.map(() => 'rejected'), 'fulfilled'])
    t.equal((await readOne(history, 'agent:a1')).top, 1)
    t.equal((await heard()).length, 1)
    const heads = await history.readHeads([{ topic: 'nobody:x', since: null, touch: true }, { topic: 'agent:a1', since: null, touch: true }])
    t.same(heads.map(({ status }) => status), ['rejected', 'fulfilled'])
  })
}

function testIds (t: Test, make: MakeSubject): void {
  t.test('the same id is published once in its topic, and answered with the same position', async (t) => {
    const { history, heard } = await make(t, SETTINGS)
    const first = await publishOne(history, publication('agent:a1', 1, 'i1'))
    await publishOne(history, publication('agent:a1', 2, 'i2'))
    t.same(await publishOne(history, publication('agent:a1', 3, 'i1')), { ...first, isDuplicate: true })
    t.equal((await publishOne(history, publication('agent:a2', 4, 'i1'))).isDuplicate, false)
    t.equal((await heard()).length, 3)
    const together = await history.publish(['i3', null, 'i3', 'i1', null].map((id, n) => publication('agent:a1', n, id)))
    t.same(together.map(result => result.status === 'fulfilled' ? [result.value.offset, result.value.isDuplicate] : result),
      [[3, false], [4, false], [3, true], [1, true], [5, false]])
    t.equal((await heard()).length, 6)
  })

  t.test('an id counts for its time, also when its event was trimmed by number or bytes or never kept, and no longer', async (t) => {
    const { history, pass } = await make(t, SETTINGS)
    for (const topic of ['agent:a1', 'task:t1', 'user:u1']) {
      const first = await publishOne(history, publication(topic, 1, 'i1'))
      await pass(100_000)
      if (topic === 'user:u1') await publishOne(history, publication(topic, 'x'.repeat(3000)))
      else await fill(history, topic, 8)
      t.notOk((await keptOffsets(history, topic)).includes(1), topic)
      t.same(await publishOne(history, publication(topic, 2, 'i1')), { ...first, isDuplicate: true }, topic)
      await pass(150_000)
      await fill(history, topic, 8)
      t.same(await publishOne(history, publication(topic, 2, 'i1')), { ...first, isDuplicate: true }, topic)
      await pass(50_000)
      const { offset } = await publishOne(history, publication(topic, 2, 'i1'))
      t.ok(offset > 8, topic)
      await fill(history, topic, 8)
      t.match(await publishOne(history, publication(topic, 2, 'i1')), { offset, isDuplicate: true }, 'it counts anew')
    }
  })
}

function testTrimming (t: Test, make: MakeSubject): void {
  t.test('as many events are kept as the setting of their kind says; 0: they are numbered and published all the same', async (t) => {
    const { history, heard } = await make(t, SETTINGS)
    await fill(history, 'agent:a1', 12)
    await fill(history, 'task:t1', 3)
    t.same(await keptOffsets(history, 'agent:a1'), [8, 9, 10, 11, 12])
    t.same(await keptOffsets(history, 'task:t1'), [])
    t.equal((await readOne(history, 'task:t1')).top, 3)
    t.equal((await heard()).length, 15)
    t.same(await keptAfter(history, 'agent:a1', [5, 6, 7, 8, 11, 12, 13]), [false, false, true, true, true, true, false])
    t.same(await keptAfter(history, 'task:t1', [2, 3]), [false, true])
  })

  t.test('events together are no larger than the setting says; a larger one is published and not kept, those after it are', async (t) => {
    const { history, heard } = await make(t, SETTINGS)
    const sized = async (size: number): Promise<void> => { await publishOne(history, publication('user:u1', 'x'.repeat(size))) }
    for (let n = 0; n < 10; n++) await sized(100)
    await sized(1500)
    const kept = await history.readEvents('user:u1', { epoch: (await readOne(history, 'user:u1')).epoch, from: 1, to: 11 })
    const bytes = kept.events.reduce((sum, { payload }) => sum + payload.length, 0)
    t.ok(bytes <= 2000 && bytes > 1800, `${bytes} bytes`)
    await sized(2000)
    t.same(await keptOffsets(history, 'user:u1'), [])
    await sized(1)
    t.same(await keptOffsets(history, 'user:u1'), [13])
    t.same(await keptAfter(history, 'user:u1', [10, 11, 12, 13]), [false, false, true, true])
    t.equal((await heard()).length, 13)
  })

  t.test('no event is older than the setting says, whether anything is published meanwhile or not', async (t) => {
    const { history, pass } = await make(t, SETTINGS)
    for (let n = 0; n < 6; n++) {
      await fill(history, 'user:u1', 10)
      await pass(100_000)
    }
    t.equal((await keptOffsets(history, 'user:u1'))[0], 41)
    t.same(await keptAfter(history, 'user:u1', [39, 40, 60]), [false, true, true])
    await pass(200_000)
    t.same(await keptOffsets(history, 'user:u1'), [])
    t.same(await keptAfter(history, 'user:u1', [59, 60]), [false, true])
    await fill(history, 'user:u1', 1)
    t.same(await keptOffsets(history, 'user:u1'), [61])
    t.same(await keptAfter(history, 'user:u1', [59, 60]), [false, true])
  })

  t.test('a clock that is set back makes nothing young again, and numbers go on', async (t) => {
    const { history, pass } = await make(t, SETTINGS)
    await fill(history, 'user:u1', 12)
    await pass(200_000)
    await fill(history, 'user:u1', 1)
    await pass(150_000)
    await fill(history, 'user:u1', 1)
    await pass(-100_000)
    t.same(await keptOffsets(history, 'user:u1'), [13, 14])
    await fill(history, 'user:u1', 1)
    t.match(await readOne(history, 'user:u1', 13), { top: 15, isKept: true })
  })

  t.test('what goes for an event that itself leaves nothing goes with its id, also after the clock was set back', async (t) => {
    const { history, pass } = await make(t, SETTINGS)
    await publishOne(history, publication('agent:a1', 1, 'i1'))
    await pass(-SETTINGS.keepMs)
    await fill(history, 'agent:a1', 1)
    await publishOne(history, publication('agent:a1', 'x'.repeat(SETTINGS.maxBytes)))
    await pass(1)
    t.match(await publishOne(history, publication('agent:a1', 1, 'i1')), { offset: 4, isDuplicate: false })
  })
}

async function keptAfter (history: History, topic: string, offsets: readonly number[]): Promise<boolean[]> {
  return await Promise.all(offsets.map(async offset => (await readOne(history, topic, offset)).isKept))
}

function testReading (t: Test, make: MakeSubject): void {
  t.test('a slice is the newest part of a range, at most 64 events and 256 KiB, and never empty for its size', async (t) => {
    const { history } = await make(t, { ...SETTINGS, maxBytes: 4_000_000 })
    await fill(history, 'user:u1', 90)
    const { epoch } = await readOne(history, 'user:u1')
    const offsets = async (from: number, to: number): Promise<number[]> => (await history.readEvents('user:u1', { epoch, from, to })).events.map(({ offset }) => offset)
    const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, n) => first + n)
    t.same(await offsets(1, 90), range(27, 90))
    t.same(await offsets(1, 26), range(1, 26))
    t.same(await offsets(80, 85), range(80, 85))
    t.same(await offsets(91, 91), [])
    t.same(await offsets(5, 4), [])
    for (const size of [100_000, 100_000, 100_000, 600_000]) await publishOne(history, publication('user:u1', 'x'.repeat(size)))
    t.same(await offsets(1, 94), [94])
    t.same(await offsets(1, 93), [92, 93])
    t.same((await history.readEvents('user:u1', { epoch: 'other', from: 1, to: 90 })).events, [])
  })

  t.test('many heads are read at once, in the order in which they were asked', async (t) => {
    const { history } = await make(t, SETTINGS)
    const topics = Array.from({ length: 1200 }, (_, n) => `agent:${n}`)
    await history.publish(topics.slice(0, 300).map(topic => publication(topic)))
    const heads = await history.readHeads(topics.map(topic => ({ topic, since: null, touch: true })))
    t.same(heads.map(head => head.status === 'fulfilled' ? head.value.top : head), topics.map((_, n) => n < 300 ? 1 : 0))
  })
}

function testEpochs (t: Test, make: MakeSubject): void {
  const mishaps: ReadonlyArray<readonly [string, (subject: Subject) => Promise<void>]> = [
    ['the head is evicted', async ({ evict }) => { await evict('agent:a1', 'head') }],
    ['all is flushed', async ({ flush }) => { await flush() }],
    ['the line of data is another', async ({ replicate }) => { await replicate() }],
    ['the head has outlived its time', async ({ pass }) => { await pass(SETTINGS.metaMs * 2) }]
  ]
  for (const [name, cause] of mishaps) {
    t.test(`when ${name}, a new epoch begins, and nothing of the one before is given`, async (t) => {
      const subject = await make(t, SETTINGS)
      const { history } = subject
      await fill(history, 'agent:a1', 3)
      const before = await readOne(history, 'agent:a1')
      await cause(subject)
      t.equal((await readOne(history, 'agent:a1', 3, before.epoch)).isKept, false)
      const after = await readOne(history, 'agent:a1')
      t.not(after.epoch, before.epoch)
      t.equal(after.top, 0)
      t.match(await publishOne(history, publication('agent:a1')), { epoch: after.epoch, offset: 1 })
      await fill(history, 'agent:a1', 1)
      t.same(await keptOffsets(history, 'agent:a1'), [1, 2])
      t.equal((await readOne(history, 'agent:a1', 2, before.epoch)).isKept, false, 'also where offsets have grown as far again')
    })
  }

  t.test('when the events alone are evicted, the epoch stays: who needs one is told so, who is at the top needs none', async (t) => {
    const { history, evict } = await make(t, SETTINGS)
    await fill(history, 'agent:a1', 3)
    const { epoch } = await readOne(history, 'agent:a1')
    await evict('agent:a1', 'events')
    t.same(await keptAfter(history, 'agent:a1', [2, 3]), [false, true])
    await fill(history, 'agent:a1', 2)
    t.same(await keptOffsets(history, 'agent:a1'), [4, 5])
    t.same(await keptAfter(history, 'agent:a1', [2, 3, 4]), [false, true, true])
    t.equal((await readOne(history, 'agent:a1')).epoch, epoch)
  })

  t.test('an older copy in place of the keys is renewed by who knows better: once, told to all, and never by the same name', async (t) => {
    const { history, heard, copy } = await make(t, SETTINGS)
    await fill(history, 'agent:a1', 2)
    const restore = await copy('agent:a1')
    await fill(history, 'agent:a1', 2)
    await restore()
    const seen = await readOne(history, 'agent:a1')
    t.equal(seen.top, 2)
    const names = new Set([seen.epoch])
    const renewed = await Promise.all(Array.from({ length: 8 }, async () => await history.renew('agent:a1', seen)))
    t.equal(new Set(renewed.map(({ epoch }) => epoch)).size, 1)
    const last = (await heard()).at(-1)
    t.match(last?.[1], new RegExp(`^\\{"pos":"${renewed[0]?.epoch}:0","ts":\\d{13}\\}$`))
    t.equal((await heard()).length, 5)
    t.same(await keptOffsets(history, 'agent:a1'), [])
    for (const { epoch } of renewed.slice(0, 1)) names.add(epoch)
    for (let n = 0; n < 3; n++) {
      await restore()
      names.add((await history.renew('agent:a1', toHead(seen))).epoch)
    }
    t.equal(names.size, 5)
  })
}

const toHead = ({ epoch, top, topAtMs }: HeadAnswer): Head => ({ epoch, top, topAtMs })
