import hashSlot from 'cluster-key-slot'
import t from 'tap'
import type { Gap } from '../../src/bus/gap.js'
import { createRedisBus } from '../../src/bus/redis-bus.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { until } from '../support/until.js'
import { openClusterClient } from './clients.js'

const CLUSTER_ARGS = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-config-file', 'nodes.conf']

t.test('when a master dies and its replica takes over, its channels are heard from there', async (t) => {
  const cluster = await startRedisCluster(t)
  const replica = await startRedis(t, { args: CLUSTER_ARGS })
  const [doomed, other] = cluster.nodes
  if (doomed === undefined || other === undefined) throw new Error('no cluster')
  await replica.client.call('CLUSTER', 'MEET', '127.0.0.1', doomed.port)
  const doomedId = String(await doomed.client.call('CLUSTER', 'MYID'))
  await until('the replica knows its master', async () => String(await replica.client.call('CLUSTER', 'NODES')).includes(doomedId))
  await replica.client.call('CLUSTER', 'REPLICATE', doomedId)
  await until('it follows', async () => (await replica.client.info('replication')).includes('master_link_status:up'))
  await until('all know it', async () => String(await other.client.call('CLUSTER', 'NODES')).includes(`slave ${doomedId}`))

  const heard = new Set<string>()
  const gaps: (number | Gap)[] = []
  const bus = createRedisBus({
    client: await openClusterClient(t, cluster),
    prefix: '',
    timeoutMs: 3000,
    onEvent: (topic) => { heard.add(topic) },
    onGap: (topics) => { gaps.push(topics) },
    onGapEnd: (gap) => { gaps.push(gap) }
  })
  t.teardown(async () => { await bus.close() })
  const topics = Array.from({ length: 60 }, (_, n) => `agent:${n}`)
  await Promise.all(topics.map(async (topic) => { await bus.subscribe(topic) }))
  const affected = topics.filter((topic) => hashSlot(`ws:topic:${topic}`) < 16_384 / 3).length
  t.ok(affected > 0)
  await doomed.stop()
  await until('the gap is over', () => gaps.length === 2)
  t.match(gaps, [affected, { topics: affected }])
  for (const topic of topics) await bus.publish(topic, { event: 'e', data: 1 })
  await until('all arrived', () => heard.size === topics.length)
  t.equal(((await replica.client.call('PUBSUB', 'SHARDCHANNELS')) as string[]).length, affected)
})
