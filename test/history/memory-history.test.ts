import t from 'tap'
import { channelsOf } from '../../src/bus/topics.js'
import { createMemoryHistory } from '../../src/history/memory-history.js'
import { createMemoryTopics, type MemoryTopics } from '../../src/history/memory-topics.js'
import { createTestClock } from '../limits/clocks.js'
import { publication, publishOne, SETTINGS, testHistory, type MakeSubject } from './history-conformance.js'
import type { Heard } from './subjects.js'

const copyOf = ({ heads, hashes }: MemoryTopics): MemoryTopics => ({
  heads: new Map([...heads].map(([name, head]) => [name, { ...head }])),
  hashes: new Map([...hashes].map(([name, hash]) => [name, { ...hash, items: new Map(hash.items), ids: new Map(hash.ids) }]))
})

const make: MakeSubject = async (_t, settings) => {
  const topics = createMemoryTopics()
  const clock = createTestClock(1_800_000_000_000)
  const heard: Heard[] = []
  let replications = 0
  const history = createMemoryHistory({
    settings,
    topics,
    now: clock.now,
    replicationId: () => String(replications),
    onPublished: (topic, payload) => { heard.push([channelsOf(topic, '')[0] ?? '', payload.toString('latin1')]) }
  })
  const clear = (): void => {
    topics.heads.clear()
    topics.hashes.clear()
  }
  return {
    history,
    heard: async () => heard,
    pass: async (ms) => { clock.advance(ms) },
    flush: async () => { clear() },
    replicate: async () => { replications++ },
    evict: async (topic, what) => {
      if (what === 'head') topics.heads.delete(topic)
      else topics.hashes.clear()
    },
    copy: async () => {
      const copied = copyOf(topics)
      return async () => {
        clear()
        const { heads, hashes } = copyOf(copied)
        for (const [name, head] of heads) topics.heads.set(name, head)
        for (const [name, hash] of hashes) topics.hashes.set(name, hash)
      }
    }
  }
}

testHistory(t, make)

t.test('what has outlived its time gives its memory back', async (t) => {
  const topics = createMemoryTopics()
  const clock = createTestClock(0)
  const history = createMemoryHistory({ settings: SETTINGS, topics, now: clock.now, onPublished: () => {} })
  for (let n = 0; n < 3000; n++) await publishOne(history, publication(`agent:${n}`))
  clock.advance(SETTINGS.keepMs)
  for (let n = 0; n < 8000; n++) await publishOne(history, publication('task:t1'))
  t.same([topics.heads.size, topics.hashes.size], [3001, 0])
  clock.advance(SETTINGS.metaMs)
  for (let n = 0; n < 8000; n++) await publishOne(history, publication('task:t1'))
  t.equal(topics.heads.size, 1)
})

t.test('a closed history does nothing', async (t) => {
  const history = createMemoryHistory({ settings: SETTINGS, onPublished: () => {} })
  history.close()
  await t.rejects(publishOne(history, publication('agent:a1')), /closed/)
  await t.rejects(history.readEvents('agent:a1', { epoch: 'e', from: 1, to: 1 }), /closed/)
})
