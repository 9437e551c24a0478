// The client and real gateways: what is published while one of them is away, or while a page is loaded again.
import t from 'tap'
import type { Recovered } from '../../packages/client/src/signals.js'
import { freshAddress } from '../support/client.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { observe, type ObservedClient } from './observed-client.js'
import { startRestartableGateway } from './restartable-gateway.js'

const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
const [gateway, other] = await Promise.all([1, 2].map(async () => await startRestartableGateway(t, issuer, { REDIS_URL: redis.url })))
if (gateway === undefined || other === undefined) throw new Error('two gateways')
const token = (): string => issuer.sign({ agents: ['a1', 'a2'] })

/** What was told of recoveries, in order. */
function recoveriesOf ({ client }: ObservedClient): Recovered[] {
  const told: Recovered[] = []
  client.on('recovered', (one) => { told.push(one) })
  return told
}
const heard = ({ events }: ObservedClient): string[] => events.map(({ topic, data, replayed }) => `${topic} ${String(data)}${replayed === true ? ' replayed' : ''}`)

t.test('what is published while the gateway is away follows when it is back: once, in order, and then live events', async (t) => {
  const observed = observe(t, { url: gateway.url, token, agents: ['a1'] }, freshAddress())
  const told = recoveriesOf(observed)
  await observed.reached('open')
  await other.publish('agent:a1', 'x', 1)
  await other.publish('user:alice', 'x', 1)
  await until('two events', () => observed.events.length === 2)
  t.same(told, [])

  await gateway.crash()
  await observed.reached('waiting')
  for (const [topic, data] of [['agent:a1', 2], ['user:alice', 2], ['agent:a1', 3]] as const) await other.publish(topic, 'x', data)
  await gateway.start()
  await observed.reached('open', 2)
  await until('what was missed', () => observed.events.length === 5)
  await other.publish('agent:a1', 'x', 4)
  await until('a live event', () => observed.events.length === 6)
  const of = (topic: string): string[] => heard(observed).filter(one => one.startsWith(topic))
  t.same(of('agent:a1'), ['agent:a1 1', 'agent:a1 2 replayed', 'agent:a1 3 replayed', 'agent:a1 4'])
  t.same(of('user:alice'), ['user:alice 1', 'user:alice 2 replayed'])
  t.same(told, [{ topics: { 'user:alice': true } }, { topics: { 'agent:a1': true } }])
})

t.test('a history that was lost meanwhile is told, and nothing is repeated', async (t) => {
  const observed = observe(t, { url: gateway.url, token, agents: ['a1'] }, freshAddress())
  const told = recoveriesOf(observed)
  await observed.reached('open')
  await other.publish('agent:a1', 'x', 'before')
  await until('an event', () => observed.events.length === 1)
  await gateway.crash()
  await observed.reached('waiting')
  await redis.client.flushall()
  await other.publish('agent:a1', 'x', 'missed')
  await gateway.start()
  await observed.reached('open', 2)
  await other.publish('agent:a1', 'x', 'after')
  await until('the event after', () => observed.events.length === 2)
  t.same(heard(observed), ['agent:a1 before', 'agent:a1 after'])
  t.same(told.map(({ topics }) => topics).find(topics => 'agent:a1' in topics), { 'agent:a1': false })
})

t.test('the next page goes on, also with a topic that it listens to later; a first visit has the last events', async (t) => {
  const values = new Map<string, string>()
  const storage = {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => { values.set(key, value) },
    removeItem: (key: string) => { values.delete(key) }
  }
  const first = observe(t, { url: gateway.url, token, agents: ['a1', 'a2'], storage }, freshAddress())
  await first.reached('open')
  await other.publish('agent:a1', 'x', 'p1')
  await until('an event', () => first.events.length === 1)
  first.client.close()
  for (const [topic, data] of [['agent:a1', 'p2'], ['agent:a2', 'q1'], ['user:alice', 'u1']] as const) await other.publish(topic, 'x', data)

  const second = observe(t, { url: gateway.url, token, agents: ['a1'], storage }, freshAddress())
  const told = recoveriesOf(second)
  await second.reached('open')
  await second.client.subscribe({ agents: ['a2'] })
  await until('what was missed', () => second.events.length === 3)
  t.same(heard(second).toSorted(), ['agent:a1 p2 replayed', 'agent:a2 q1 replayed', 'user:alice u1 replayed'])
  t.same(told, [{ topics: { 'user:alice': true } }, { topics: { 'agent:a1': true } }, { topics: { 'agent:a2': true } }])

  const visitor = observe(t, { url: gateway.url, token, agents: ['a2'], last: 5 }, freshAddress())
  await until('the last event', () => visitor.events.length === 1)
  t.same(heard(visitor), ['agent:a2 q1 replayed'])
})

t.test('two subscriptions to one topic, `*` among them, are no loss', async (t) => {
  const observed = observe(t, { url: gateway.url, token, agents: '*' }, freshAddress())
  const told = recoveriesOf(observed)
  await observed.reached('open')
  await Promise.all([observed.client.subscribe({ agents: ['a1'], last: 3 }), observed.client.subscribe({ agents: '*' })])
  await other.publish('agent:a1', 'x', 'live')
  await until('the event', () => observed.events.length === 1)
  t.same(told, [])
})
