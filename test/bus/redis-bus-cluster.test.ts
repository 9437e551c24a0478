import hashSlot from 'cluster-key-slot'
import t, { type Test } from 'tap'
import type { OnBusEvent } from '../../src/bus/bus.js'
import type { Gap } from '../../src/bus/gap.js'
import { createRedisBus, type RedisBusOptions } from '../../src/bus/redis-bus.js'
import { startRedisCluster, type TestRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'
import { testBus } from './bus-conformance.js'
import { openClusterClient } from './clients.js'

const cluster = await startRedisCluster(t)

async function openBus (t: Test, onEvent: OnBusEvent, more: Partial<RedisBusOptions> = {}) {
  const client = await openClusterClient(t, cluster)
  const bus = createRedisBus({ client, prefix: '', onEvent, timeoutMs: HANG_MS, ...more })
  t.teardown(async () => { await bus.close() })
  return bus
}

async function shardChannels (node: TestRedis | undefined): Promise<string[]> {
  return (await node?.client.call('PUBSUB', 'SHARDCHANNELS')) as string[]
}

/** Which node owns a channel at first. */
function ownerOf (channel: string): number {
  return Math.floor(hashSlot(channel) / (16_384 / 3))
}

async function allShardChannels (): Promise<string[]> {
  return (await Promise.all(cluster.nodes.map(shardChannels))).flat()
}

t.test('it does what every bus does', async (t) => {
  testBus(t, async (t, onEvent) => await openBus(t, onEvent))
})

t.test('channels are subscribed on the node that owns their slot, counted, and left', async (t) => {
  const bus = await openBus(t, () => {})
  const topics = Array.from({ length: 300 }, (_, n) => `agent:${n}`)
  await Promise.all([...topics, ...topics].map(async (topic) => { await bus.subscribe(topic) }))
  for (const [index, node] of cluster.nodes.entries()) {
    const expected = topics.map((topic) => `ws:topic:${topic}`).filter((channel) => ownerOf(channel) === index)
    t.same((await shardChannels(node)).sort(), expected.sort(), `node ${index}`)
  }
  for (const topic of topics) bus.unsubscribe(topic)
  const last = 'ws:topic:agent:7'
  const owner = cluster.nodes[ownerOf(last)]
  t.same(await owner?.client.call('PUBSUB', 'SHARDNUMSUB', last), [last, 1])
  for (const topic of topics) bus.unsubscribe(topic)
  await until('all are left', async () => (await allShardChannels()).length === 0)
  t.same(await owner?.client.call('PUBSUB', 'SHARDNUMSUB', last), [last, 0])
})

t.test('when connections are killed on every node, all channels are subscribed again', async (t) => {
  const heard = new Set<string>()
  const gaps: (number | Gap)[] = []
  const onGap = (topics: number): void => { gaps.push(topics) }
  const bus = await openBus(t, (topic) => { heard.add(topic) }, { onGap, onGapEnd: (gap) => { gaps.push(gap) } })
  const topics = Array.from({ length: 300 }, (_, n) => `task:${n}`)
  await Promise.all(topics.map(async (topic) => { await bus.subscribe(topic) }))
  for (const { client } of cluster.nodes) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await until('all are subscribed again', async () => typeof gaps.at(-1) === 'object' && (await allShardChannels()).length === 300)
  for (const topic of topics) await bus.publish(topic, { event: 'e', data: 1 })
  await until('all arrived', () => heard.size === 300)
})

t.test('a slot that moves to another node, and back, takes its channels along', async (t) => {
  const heard: unknown[] = []
  const bus = await openBus(t, (_topic, event) => { heard.push(JSON.parse(String(event.data))) })
  await bus.subscribe('agent:moving')
  await bus.subscribe('agent:staying')
  const channel = 'ws:topic:agent:moving'
  const [home, other] = [cluster.nodes[ownerOf(channel)], cluster.nodes[(ownerOf(channel) + 1) % 3]]
  if (home === undefined || other === undefined) throw new Error('there is no such node')
  for (const [round, [from, to]] of ([[home, other], [other, home], [home, other], [other, home]] as const).entries()) {
    await cluster.moveSlot(hashSlot(channel), from, to)
    await until('its channel is subscribed there', async () => (await shardChannels(to)).includes(channel))
    await until('it is heard', async () => {
      await bus.publish('agent:moving', { event: 'e', data: round })
      return heard.includes(round)
    })
    heard.length = 0
    await bus.publish('agent:staying', { event: 'e', data: 'staying' })
    await until('the other is still heard', () => heard.includes('staying'))
  }
})

t.test('a slot that is away only for a moment takes nothing with it', async (t) => {
  const heard: unknown[] = []
  const bus = await openBus(t, (_topic, event) => { heard.push(JSON.parse(String(event.data))) })
  await bus.subscribe('agent:hopping')
  const channel = 'ws:topic:agent:hopping'
  const owner = cluster.nodes[ownerOf(channel)]
  const nodes = [cluster.nodes[(ownerOf(channel) + 1) % 3], owner]
  const ids = await Promise.all(nodes.map(async (node) => String(await node?.client.call('CLUSTER', 'MYID'))))
  // Only the owner believes for a moment that the slot is another's, and ends the subscriptions.
  await Promise.all(ids.map(async (id) => await owner?.client.call('CLUSTER', 'SETSLOT', hashSlot(channel), 'NODE', id)))
  await until('it is heard again', async () => {
    await bus.publish('agent:hopping', { event: 'e', data: 'back' })
    return heard.includes('back')
  })
})

t.test('two spellings of one topic are heard although they live on two nodes', async (t) => {
  const heard: unknown[] = []
  const bus = await openBus(t, (topic, event) => { heard.push([topic, JSON.parse(String(event.data))]) })
  await bus.subscribe('user:kc:a|b')
  const publisher = await openClusterClient(t, cluster)
  await publisher.spublish('ws:topic:user:kc:a|b', '{"event":"e","data":"raw"}')
  await publisher.spublish('ws:topic:user:kc%3Aa%7Cb', '{"event":"e","data":"encoded"}')
  await until('both arrived', () => heard.length === 2)
  t.same(heard.map(String).sort(), ['user:kc:a|b,encoded', 'user:kc:a|b,raw'])
})
