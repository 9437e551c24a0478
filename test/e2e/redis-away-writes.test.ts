import t, { type Test } from 'tap'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { countLines, holdSockets, openOne, readMetric, type HeldSockets } from '../support/held-sockets.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'

interface Stage {
  readonly issuer: TestIssuer
  readonly redis: TestRedis
  readonly proxy: TcpProxy
  readonly gateway: TestGateway
  readonly held: HeldSockets
  /** A token of a user of its own. */
  token (): string
}

async function setStage (t: Test): Promise<Stage> {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const proxy = await startTcpProxy(t, redis.port)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: `redis://127.0.0.1:${proxy.port}` })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  let users = 0
  const held = await holdSockets(t, gateway, issuer.sign({ sub: 'alice' }))
  return { issuer, redis, proxy, gateway, held, token: () => issuer.sign({ sub: `other-${++users}` }) }
}

async function expectRestored (t: Test, { gateway, redis, held }: Stage): Promise<void> {
  await until('the limits are restored', () => countLines(gateway, 'limits.restored') === countLines(gateway, 'limits.degraded'))
  await until('the metric says so', async () => await readMetric(gateway, 'portcullis_redis_up') === 1)
  t.equal(await redis.client.zcard('ws:ratelimit:user:alice'), 5)
  t.equal((await held.oneMore()).body['error'], 'user_connection_limit')
  await held.allAnswer()
  t.equal(held.countClosed(), 0)
  t.equal(countLines(gateway, 'fault'), 0)
}

t.test('a Redis that answers, but does not do its work', async (t) => {
  const stage = await setStage(t)
  const { redis, proxy, gateway, held, token } = stage

  /** On a busy machine an answer may have been late enough to count as away before anything was done to Redis. */
  const whole = async (): Promise<void> => {
    await until('it is not degraded', () => countLines(gateway, 'limits.restored') === countLines(gateway, 'limits.degraded'))
  }

  /** The policy takes over for this reason, and sockets and upgrades go on. */
  async function expectDegraded (t: Test, reason: string): Promise<void> {
    const before = countLines(gateway, 'limits.degraded')
    await openOne(t, gateway, token())
    await until('it is told', () => countLines(gateway, 'limits.degraded') === before + 1)
    t.equal(gateway.log.filter(line => line.event === 'limits.degraded').at(-1)?.['reason'], reason)
    t.equal(await readMetric(gateway, 'portcullis_redis_up'), 0)
    await openOne(t, gateway, token())
    await held.allAnswer()
    t.equal((await held.oneMore()).body['error'], 'user_connection_limit')
    t.equal(countLines(gateway, 'limits.degraded'), before + 1)
  }

  await t.test('every answer late by 300 ms: upgrades wait for it and are still decided there', async (t) => {
    proxy.delayReplies(300)
    const tookMs = await openOne(t, gateway, token())
    t.ok(tookMs >= 290, `${tookMs} ms`)
    t.equal(countLines(gateway, 'limits.degraded'), 0)
    proxy.delayReplies(0)
    await expectRestored(t, stage)
  })

  await t.test('every answer late by 2 s: it counts as away, and as back when it is quick again', async (t) => {
    await whole()
    proxy.delayReplies(2000)
    await expectDegraded(t, 'timeout')
    proxy.delayReplies(0)
    await expectRestored(t, stage)
  })

  await t.test('read-only, as a demoted master is', async (t) => {
    await whole()
    await redis.client.call('REPLICAOF', '127.0.0.1', '1')
    await expectDegraded(t, 'read_only')
    await redis.client.call('REPLICAOF', 'NO', 'ONE')
    await expectRestored(t, stage)
  })

  await t.test('out of memory', async (t) => {
    await whole()
    await redis.client.config('SET', 'maxmemory', '1')
    await expectDegraded(t, 'out_of_memory')
    await redis.client.config('SET', 'maxmemory', '0')
    await expectRestored(t, stage)
  })
})

t.test('failover: its replica becomes the master under the same address', async (t) => {
  const stage = await setStage(t)
  const { redis: master, proxy, gateway, held, token } = stage
  const replica = await startRedis(t)
  await replica.client.call('REPLICAOF', '127.0.0.1', master.port)
  await until('the replica has the leases', async () => await replica.client.zcard('ws:ratelimit:user:alice') === 5)
  await master.stop()
  await openOne(t, gateway, token())
  await gateway.waitForLog('limits.degraded')
  await held.allAnswer()
  await replica.client.call('REPLICAOF', 'NO', 'ONE')
  proxy.retarget(replica.port)
  await expectRestored(t, { ...stage, redis: replica })
  await openOne(t, gateway, token())
})
