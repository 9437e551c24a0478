import { Redis } from '#ioredis'
import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedisCluster } from '../support/redis.js'

t.test('two processes on a Redis Cluster of three', async (t) => {
  const [cluster, issuer] = await Promise.all([startRedisCluster(t), startIssuer(t)])
  const env = { ...trust(issuer), REDIS_CLUSTER_URLS: cluster.urls.join(',') }
  const [one, two] = await Promise.all([startGateway(t, env), startGateway(t, env)])
  const token = issuer.sign({ sub: 'alice', agents: ['a1', 'a2'] })
  const open = async (where: typeof one): ReturnType<typeof connect> => {
    const client = await connect(t, where, `/ws?agent_ids=a1&token=${token}`, { from: freshAddress() })
    await client.nextOf('subscribed')
    return client
  }

  await t.test('what a back end publishes by SPUBLISH reaches the sockets of both, once and in order', async (t) => {
    const clients = [await open(one), await open(two)]
    const publisher = new Redis.Cluster([...cluster.urls], { enableReadyCheck: true })
    t.teardown(() => { publisher.disconnect() })
    for (let n = 0; n < 20; n++) await publisher.spublish('ws:topic:agent:a1', JSON.stringify({ event: 'count', data: n }))
    for (const client of clients) {
      for (let n = 0; n < 20; n++) t.match(await client.next(), { type: 'event', topic: 'agent:a1', data: n })
      client.send({ type: 'ping' })
      t.equal((await client.next()).type, 'pong', 'none twice')
    }
  })

  await t.test('the user has five slots on both together, and a refused attempt keeps none', async (t) => {
    for (const where of [one, two, one]) await open(where)
    for (const where of [one, two]) {
      const refused = await connectRefused(t, where, `/ws?token=${token}`, { from: freshAddress() })
      t.equal(refused.body['error'], 'user_connection_limit')
    }
  })

  await t.test('an address has ten attempts on both together', async (t) => {
    const from = freshAddress()
    const answers: unknown[] = []
    for (let n = 0; n < 11; n++) answers.push((await connectRefused(t, n % 2 === 0 ? one : two, '/ws?token=x', { from })).body['error'])
    t.same(answers, [...Array(10).fill('invalid_token'), 'ip_rate_limited'])
  })
})
