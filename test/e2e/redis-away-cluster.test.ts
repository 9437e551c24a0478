import hashSlot from 'cluster-key-slot'
import t from 'tap'
import { startGateway, trust } from '../support/gateway.js'
import { countLines, holdSockets, openOne } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { startRedisCluster, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const KEY = 'ws:ratelimit:user:alice'

t.test('a Redis Cluster that changes under traffic', async (t) => {
  const [issuer, cluster] = await Promise.all([startIssuer(t), startRedisCluster(t, { withReplica: true })])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_CLUSTER_URLS: cluster.urls.join(',') })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const held = await holdSockets(t, gateway, issuer.sign({ sub: 'alice' }))
  let users = 0
  const token = (): string => issuer.sign({ sub: `other-${++users}` })
  const ownerIndex = (slot: number): number => Math.floor(slot * cluster.nodes.length / 16_384)
  const [first, second] = cluster.nodes as [TestRedis, TestRedis]

  await t.test('while a user\'s slot moves, and after, the user has as many sockets as before', async (t) => {
    const slot = hashSlot(KEY)
    const from = cluster.nodes[ownerIndex(slot)] as TestRedis
    const to = from === second ? first : second
    t.equal(await from.client.call('CLUSTER', 'COUNTKEYSINSLOT', slot), 1)
    const expectService = async (): Promise<void> => {
      t.equal((await held.oneMore()).body['error'], 'user_connection_limit')
      await openOne(t, gateway, token())
    }
    await cluster.moveSlot(slot, from, to, expectService)
    await expectService()
    t.equal(await to.client.zcard(KEY), 5)
    await held.allAnswer()
    t.same(gateway.log.filter(line => line.event === 'limits.degraded'), [])
  })

  await t.test('while a master is dead and until its replica has taken over, upgrades are answered in time', async (t) => {
    await first.stop()
    let slowestMs = 0
    const replica = cluster.replica
    await until('the replica is the master', async () => {
      slowestMs = Math.max(slowestMs, await openOne(t, gateway, token()))
      return (await replica?.client.info('replication'))?.includes('role:master') === true
    })
    t.ok(slowestMs < 5000, `${slowestMs} ms`)
    await until('the limits are what they were', () => countLines(gateway, 'limits.restored') === countLines(gateway, 'limits.degraded'))
    t.equal((await held.oneMore()).body['error'], 'user_connection_limit')
    await held.allAnswer()
    t.equal(held.countClosed(), 0)
    t.equal(countLines(gateway, 'fault'), 0)
  })
})
