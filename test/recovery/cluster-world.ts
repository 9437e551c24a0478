import { Cluster } from '#ioredis'
import { startRedisProxy } from '../support/redis-proxy.js'
import { startRedisCluster, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { failOverWithLosses, isMaster, replicates, type StartRedisWorld } from './redis-world.js'

const infoOf = async ({ client }: TestRedis): Promise<string> => String(await client.call('CLUSTER', 'INFO'))

/** Three masters and a replica of the first, each of which tells clients the port of its proxy. */
export const startClusterWorld: StartRedisWorld = async (t) => {
  const proxies = await Promise.all([0, 0, 0, 0].map(async port => await startRedisProxy(t, port)))
  const cluster = await startRedisCluster(t, {
    withReplica: true,
    argsOf: index => ['--cluster-announce-port', String(proxies[index]?.port)],
    onNode: (index, { port }) => { proxies[index]?.retarget(port) }
  })
  const nodes = [...cluster.nodes, cluster.replica as TestRedis] as const
  const [first, second, , last] = nodes as readonly [TestRedis, TestRedis, TestRedis, TestRedis]
  const inOrder = async (): Promise<readonly [TestRedis, TestRedis]> => await isMaster(first) ? [first, last] : [last, first]

  async function untilWhole (): Promise<void> {
    const [, replica] = await inOrder()
    await until('the replica follows', async () => await replicates(replica))
    await until('every node serves', async () => (await Promise.all(nodes.map(infoOf))).every(text => text.includes('cluster_state:ok')))
  }
  await untilWhole()
  return {
    settings: { REDIS_CLUSTER_URLS: proxies.map(({ port }) => `redis://127.0.0.1:${port}`).join() },
    proxies,
    masters: async () => [(await inOrder())[0], ...nodes.slice(1, 3)],
    openClient () {
      const client = new Cluster(proxies.map(({ port }) => ({ host: '127.0.0.1', port })), {
        clusterRetryStrategy: () => 50, redisOptions: { maxRetriesPerRequest: 0, commandTimeout: 1000 }
      })
      client.on('error', () => { /* that is what this is about */ })
      t.teardown(() => { client.disconnect() })
      return client
    },
    async restart () {
      await second.client.save()
      await second.restart()
      await untilWhole()
    },
    async loseWrites (untilTaken) {
      const [old, next] = await inOrder()
      await failOverWithLosses(old, next, untilTaken, async () => { await until('the replica has taken over', async () => await isMaster(next)) })
      await untilWhole()
    }
  }
}
