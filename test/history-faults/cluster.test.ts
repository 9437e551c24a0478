import { Cluster } from '#ioredis'
import hashSlot from 'cluster-key-slot'
import t, { type Test } from 'tap'
import { startRedisCluster, type TestRedis, type TestRedisCluster } from '../support/redis.js'
import { startRedisProxy, type RedisProxy } from '../support/redis-proxy.js'
import { until } from '../support/until.js'
import { answerOf, comeBack, epochOf, faultsOf, offsetOf, PUBLISH_KEY, QUICK, range, setUp, type Bench } from './bench.js'

interface Stage extends Bench {
  readonly cluster: TestRedisCluster
  readonly proxies: readonly RedisProxy[]
}

const slotOf = (topic: string): number => hashSlot(`ws:topic:${topic}`)
const ownerOf = (topic: string): number => Math.floor(slotOf(topic) / (16_384 / 3))
const topicAt = (node: number): string => range(1, 9).map(n => `agent:a${n}`).find(topic => ownerOf(topic) === node) ?? ''
const idOf = (topic: string): string => topic.slice('agent:'.length)

/** A cluster that gateways reach by way of proxies alone: each node names its own to them. */
async function setStage (t: Test, env: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const cluster = await startRedisCluster(t, { withReplica: true })
  const nodes = [...cluster.nodes, ...cluster.replica === null ? [] : [cluster.replica]]
  const proxies = await Promise.all(nodes.map(async ({ port }) => await startRedisProxy(t, port)))
  for (const [place, { client }] of nodes.entries()) await client.config('SET', 'cluster-announce-port', String(proxies[place]?.port))
  await until('all nodes know where they are reached', async () => {
    const known = await Promise.all(nodes.map(async ({ client }) => String(await client.call('CLUSTER', 'NODES'))))
    return known.every(text => proxies.every(({ port }) => text.includes(`127.0.0.1:${port}@`)))
  })
  const redis = new Cluster(nodes.map(({ port }) => ({ host: '127.0.0.1', port })), { clusterRetryStrategy: () => 50, redisOptions: { maxRetriesPerRequest: 0 } })
  redis.on('error', () => { /* a master is lost */ })
  t.teardown(() => { redis.disconnect() })
  const urls = proxies.slice(0, 3).map(({ port }) => `redis://127.0.0.1:${port}`)
  return { ...await setUp(t, redis, { REDIS_CLUSTER_URLS: urls.join(), ...env }), cluster, proxies }
}

function nodeAt ({ nodes }: TestRedisCluster, place: number): TestRedis {
  const node = nodes[place]
  if (node === undefined) throw new Error(`there is no node ${place}`)
  return node
}

t.test('what is lost on its way is healed on every node', async (t) => {
  const { open, publish, proxies } = await setStage(t, QUICK)
  const topics = [0, 1, 2].map(topicAt)
  for (const topic of topics) {
    const client = await open(`agent_ids=${idOf(topic)}`)
    const lose = async (...data: number[]): Promise<void> => {
      const losses = proxies.map(proxy => proxy.swallow(text => text.includes(topic) && data.some(one => text.includes(`"data":${one}}`))))
      await publish(topic, ...data)
      await until('all are lost', () => losses.reduce((sum, { lost }) => sum + lost(), 0) === data.length)
      for (const loss of losses) loss.stop()
    }
    await publish(topic, 1)
    await lose(2, 3)
    await publish(topic, 4)
    t.same(await client.until(4), range(1, 4))
    await lose(5)
    t.same(await client.until(5), [5], 'nothing more was published')
  }
})

t.test('a slot moves while clients listen and back ends publish', async (t) => {
  const { open, publish, publishUntilHeard, cluster } = await setStage(t)
  const topic = topicAt(0)
  const client = await open(`agent_ids=${idOf(topic)}`)
  const positions = await publish(topic, ...range(1, 10))
  let last = 10
  const told = await client.until(10)
  for (const [from, to] of [[0, 1], [1, 2], [2, 0]] as const) {
    await cluster.moveSlot(slotOf(topic), nodeAt(cluster, from), nodeAt(cluster, to), async () => { await publish(topic, ++last) })
    last = await publishUntilHeard(topic, last + 1, client)
    told.push(...await client.until(last))
    t.same(faultsOf(told, 1), [], `from ${from} to ${to}`)
    const back = await comeBack({ open }, topic, positions[4] ?? '')
    t.equal(answerOf(back.subscribed, topic).recovered, false, 'what another master numbered is another numbering')
    back.socket.terminate()
  }
})

t.test('a fail-over that loses three events, while more are published than were lost', async (t) => {
  const { open, publish, publishUntilHeard, cluster } = await setStage(t)
  const [topic, other] = [topicAt(0), topicAt(1)]
  const [master, replica] = [nodeAt(cluster, 0), cluster.replica]
  if (replica === null) throw new Error('there is no replica')
  const [staying, leaving] = [await open(`agent_ids=${idOf(topic)},${idOf(other)}`), await open(`agent_ids=${idOf(topic)}`)]
  await publish(topic, ...range(1, 4))
  await publish(other, 'other 1')
  await until('the replica has it', async () => Number((await replica.client.info('replication')).match(/slave_repl_offset:(\d+)/)?.[1]) >= Number((await master.client.info('replication')).match(/master_repl_offset:(\d+)/)?.[1]))
  await replica.client.config('SET', 'masterauth', 'not-the-password')
  await master.client.config('SET', 'requirepass', 'another-password')
  await master.client.call('CLIENT', 'KILL', 'TYPE', 'replica')
  const lost = await publish(topic, 5, 6, 7)
  t.same(await leaving.until(7), range(1, 7))
  leaving.socket.terminate()
  await master.stop()
  await until('the replica has taken over', async () => (await replica.client.info('replication')).includes('role:master'))
  await publish(topic, ...range(8, 27))
  const last = await publishUntilHeard(topic, 28, staying)
  const told = await staying.until(last)
  t.same(faultsOf(told.filter(one => one !== 'other 1'), 1), [])
  t.ok(told.some(one => String(one).startsWith(`gap ${topic} `)), 'who stayed is told a gap')
  t.notOk(told.some(one => String(one).includes(other)), 'and none of a topic of another master')
  const back = await comeBack({ open }, topic, lost[2] ?? '')
  const { pos, recovered } = answerOf(back.subscribed, topic)
  t.equal(recovered, false)
  t.not(epochOf(pos), epochOf(lost[2]))
  t.ok(offsetOf(pos) > offsetOf(lost[2]), `${pos} is past ${lost[2]}`)
})

t.test('a thousand events of one topic are published at once over HTTP', async (t) => {
  const { gateway, open } = await setStage(t)
  const topic = topicAt(2)
  const client = await open(`agent_ids=${idOf(topic)}`)
  const body = JSON.stringify(range(1, 1000).map(data => ({ topic, event: 'e', data })))
  const response = await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, { method: 'POST', headers: { 'x-publish-key': PUBLISH_KEY }, body })
  t.equal(response.status, 202)
  const answers = await response.json() as Array<{ readonly accepted: boolean, readonly pos: string }>
  t.same(answers.filter(({ accepted }) => !accepted), [])
  t.same(answers.map(({ pos }) => offsetOf(pos)), range(1, 1000))
  t.same(await client.until(1000), range(1, 1000))
})
