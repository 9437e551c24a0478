import t from 'tap'
import { toTopics } from '../../packages/client/src/topics.js'
import { createWanted } from '../../packages/client/src/wanted.js'

t.test('what was added and not removed is wanted, in lists of bounded length', async (t) => {
  const wanted = createWanted({ agents: ['a1', 'a2', 'a2'], tasks: ['t1'] })
  wanted.add(toTopics({ agents: ['a3'], tasks: ['t2', 't3', 't4'] }))
  wanted.remove({ agents: ['a1', 'never-there'] })
  t.same(wanted.chunks(2), [['agent:a2', 'agent:a3', 'task:t1', 'task:t2'], ['task:t3', 'task:t4']])
  t.same(createWanted({}).chunks(50), [])
})

t.test('* stands for all of its kind, also for what was named before', async (t) => {
  const wanted = createWanted({ agents: ['a1'] })
  wanted.add(toTopics({ agents: '*', tasks: ['t1'] }))
  t.same(wanted.chunks(50), [['agent:*', 'task:t1']])
})

t.test('one taken out of * leaves the others that the gateway had listed', async (t) => {
  const wanted = createWanted({ agents: '*' })
  wanted.confirm({ agent_ids: ['a1', 'a2', 'a3'], task_ids: ['t9'] })
  wanted.remove({ agents: ['a2'] })
  wanted.remove({ agents: ['a2'] })
  t.same(wanted.chunks(50), [['agent:a1', 'agent:a3']])
})

t.test('unsubscribing from * leaves nothing of the kind', async (t) => {
  const wanted = createWanted({ agents: '*', tasks: ['t1'] })
  wanted.confirm({ agent_ids: ['a1'], task_ids: [] })
  wanted.add(toTopics({ agents: ['a7'] }))
  wanted.remove({ agents: '*' })
  t.same(wanted.chunks(50), [['task:t1']])
})

t.test('what is denied is not asked for again', async (t) => {
  const wanted = createWanted({ agents: ['a1', 'a2'] })
  wanted.drop(['agent:a1'])
  t.notOk(wanted.has('agent:a1'))
  t.same(wanted.chunks(50), [['agent:a2']])
})
