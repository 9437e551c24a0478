import t from 'tap'
import { ListenedTopic } from '../../src/bus/listened-topic.js'

t.test('a topic is heard when each of its channels is confirmed, and not when one is lost', async (t) => {
  const topic = new ListenedTopic('user:a:b', ['encoded', 'raw'])
  t.notOk(topic.isHeard)
  topic.confirm('raw')
  t.notOk(topic.isHeard)
  topic.confirm('encoded')
  t.ok(topic.isHeard)
  topic.lose('encoded')
  t.notOk(topic.isHeard)
  topic.confirm('encoded')
  t.ok(topic.isHeard)
})

t.test('all who wait are told, of the confirmation or of the end', async (t) => {
  const topic = new ListenedTopic('agent:1', ['one'])
  const waiting = [topic.waitUntilHeard(60_000), topic.waitUntilHeard(60_000)]
  topic.confirm('one')
  await Promise.all(waiting)
  topic.lose('one')
  const ended = t.rejects(topic.waitUntilHeard(60_000), /the end/)
  topic.rejectWaiters(new Error('the end'))
  await ended
})

t.test('one who gives up is told so, and the others go on waiting', async (t) => {
  const topic = new ListenedTopic('agent:1', ['one'])
  const patient = topic.waitUntilHeard(60_000)
  await t.rejects(topic.waitUntilHeard(1), { name: 'RedisTimeout' })
  topic.confirm('one')
  await patient
})
