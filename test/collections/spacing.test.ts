import t from 'tap'
import { createSpacing } from '../../src/collections/spacing.js'
import { until } from '../support/until.js'

t.test('work for a key is done at once, and what is asked for meanwhile once, afterwards; other keys do not wait', async (t) => {
  const done: string[] = []
  const spacing = createSpacing<string>(20, (key) => { done.push(key) })
  for (let i = 0; i < 5; i++) spacing.ask('alice')
  spacing.ask('bob')
  t.same(done, ['alice', 'bob'])
  await until('the rest was done', () => done.length > 2)
  t.same(done, ['alice', 'bob', 'alice'])
  spacing.ask('alice')
  t.same(done.length, 3, 'which begins a pause of its own')
  spacing.stop()
  spacing.ask('alice')
  t.same(done, ['alice', 'bob', 'alice', 'alice'], 'what was owed is not done after a stop')
  spacing.stop()
})

t.test('more keys than it holds apart are not kept waiting', async (t) => {
  let done = 0
  const spacing = createSpacing<number>(60_000, () => { done++ })
  t.teardown(() => { spacing.stop() })
  for (let key = 0; key < 12_000; key++) spacing.ask(key)
  t.equal(done, 12_000)
})
