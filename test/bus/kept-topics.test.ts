import t from 'tap'
import { createKeptTopics } from '../../src/bus/kept-topics.js'
import { until } from '../support/until.js'

t.test('a topic is kept for a while, then dropped once', async (t) => {
  const dropped: string[] = []
  const linger = createKeptTopics({ drop: (topic) => { dropped.push(topic) }, forMs: 20, max: 10 })
  t.teardown(linger.close)
  linger.keep('a')
  t.same(dropped, [])
  await until('a topic is dropped', () => dropped.length > 0)
  t.same(dropped, ['a'])
  t.notOk(linger.take('a'), 'what was dropped cannot be taken')
})

t.test('a topic that somebody takes again is not dropped', async (t) => {
  const dropped: string[] = []
  const linger = createKeptTopics({ drop: (topic) => { dropped.push(topic) }, forMs: 20, max: 10 })
  t.teardown(linger.close)
  linger.keep('a')
  t.ok(linger.take('a'))
  t.notOk(linger.take('a'), 'it is taken once')
  linger.keep('b')
  await until('a topic is dropped', () => dropped.length > 0)
  t.same(dropped, ['b'])
})

t.test('no more than the stated number is kept, and nothing is dropped after the end', (t) => {
  const dropped: string[] = []
  const linger = createKeptTopics({ drop: (topic) => { dropped.push(topic) }, forMs: 1, max: 2 })
  for (const topic of ['a', 'b', 'c']) linger.keep(topic)
  t.same(dropped, ['c'])
  linger.close()
  t.notOk(linger.take('a'))
  t.end()
})
