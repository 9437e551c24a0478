import t, { type Test } from 'tap'
import { connectRefused, freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { countLines, holdSockets, openOne, readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { HANG_MS, until } from '../support/until.js'

/** A call to a Redis that hangs is given up after a second; the rest is for a busy machine. */
const TAKEN_OVER_MS = 2500

async function expectBackAgain (t: Test, gateway: TestGateway, outages: number): Promise<void> {
  await until('the limits are restored', () => countLines(gateway, 'limits.restored') === outages)
  t.equal(countLines(gateway, 'limits.degraded'), outages, 'one line per outage')
  t.equal(await readMetric(gateway, 'portcullis_redis_up'), 1)
}

t.test('away at the start', async (t) => {
  const [issuer, redis, nobody] = await Promise.all([startIssuer(t), startRedis(t), findFreePort()])
  const proxy = await startTcpProxy(t, nobody)
  const policies = ['local', 'open', 'closed'] as const
  const settings = { ...trust(issuer), REDIS_URL: `redis://127.0.0.1:${proxy.port}` }
  const [local, open, closed] = await Promise.all(policies.map(async (policy) => {
    return await startGateway(t, { ...settings, WS_LIMITS_ON_REDIS_DOWN: policy })
  })) as [TestGateway, TestGateway, TestGateway]
  const gateways = [local, open, closed]
  const attemptsBefore = proxy.connections()
  const startedMs = performance.now()
  const token = issuer.sign({ sub: 'alice' })
  const held = await holdSockets(t, local, token)

  await t.test('each decides by its policy, and says so once in log and metrics', async (t) => {
    t.equal((await held.oneMore()).body['error'], 'user_connection_limit')
    for (let i = 0; i < 12; i++) {
      const refused = await connectRefused(t, open, '/ws?token=noise', { from: '127.66.0.1' })
      t.equal(refused.status, 401, 'nobody counts the attempts of an address')
    }
    const refused = await connectRefused(t, closed, `/ws?token=${token}`, { from: freshAddress() })
    t.same([refused.status, refused.body['error']], [503, 'unavailable'])
    for (const [index, gateway] of gateways.entries()) {
      const line = await gateway.waitForLog('limits.degraded')
      t.match(line, { level: 'error', policy: policies[index], reason: 'unreachable' })
      t.equal(countLines(gateway, 'limits.degraded'), 1)
      t.equal(await readMetric(gateway, 'portcullis_redis_up'), 0)
      t.equal((await gateway.admin('/readyz')).status, 503, 'it has never read the revocations')
    }
  })

  await t.test('many upgrades meanwhile are answered at once and leave nothing behind', async (t) => {
    const residentBefore = await readMetric(closed, 'process_resident_memory_bytes') ?? 0
    const sentMs = performance.now()
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 100 }, async () => {
        await connectRefused(t, closed, `/ws?token=${token}`, { from: freshAddress() })
      }))
    }
    t.ok(performance.now() - sentMs < HANG_MS)
    const grownBytes = (await readMetric(closed, 'process_resident_memory_bytes') ?? 0) - residentBefore
    t.ok(grownBytes < 100_000_000, `${grownBytes} bytes`)
  })

  await t.test('no process hammers at the door', async (t) => {
    // Back-off from 50 ms to 2 s, for the commands and the subscriber of each of three processes.
    const perSecond = (proxy.connections() - attemptsBefore) / ((performance.now() - startedMs) / 1000)
    t.ok(perSecond < 3 * 2 * 10, `${perSecond} attempts a second`)
  })

  await t.test('when Redis comes, each finds it by itself, tells it of its sockets and is ready', async (t) => {
    proxy.retarget(redis.port)
    for (const gateway of gateways) {
      await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
      await expectBackAgain(t, gateway, 1)
    }
    t.equal(await redis.client.zcard('ws:ratelimit:user:alice'), 5)
    for (const gateway of gateways) {
      t.equal((await connectRefused(t, gateway, `/ws?token=${token}`, { from: freshAddress() })).body['error'], 'user_connection_limit')
    }
  })
})

t.test('while sockets are open', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const held = await holdSockets(t, gateway, issuer.sign({ sub: 'alice' }))
  let users = 0
  const token = (): string => issuer.sign({ sub: `other-${++users}` })

  await t.test('the scripts are flushed under traffic: nobody notices', async (t) => {
    for (let i = 0; i < 10; i++) {
      const [tookMs] = await Promise.all([openOne(t, gateway, token()), redis.client.script('FLUSH')])
      t.ok(tookMs < TAKEN_OVER_MS)
    }
    await held.allAnswer()
    t.equal((await held.oneMore()).body['error'], 'user_connection_limit')
    t.equal(countLines(gateway, 'limits.degraded'), 0)
  })

  await t.test('Redis hangs: within about a second the process decides itself, and every upgrade is answered in time', async (t) => {
    redis.pause()
    t.teardown(redis.resume)
    const tookMs = await Promise.all(Array.from({ length: 20 }, async () => await openOne(t, gateway, token())))
    t.ok(Math.max(...tookMs) < TAKEN_OVER_MS, `${Math.max(...tookMs)} ms`)
    t.match(await gateway.waitForLog('limits.degraded'), { policy: 'local', reason: 'timeout' })
    t.ok(await openOne(t, gateway, token()) < 900, 'nobody waits for it any more')
    await held.allAnswer()
    t.equal(await readMetric(gateway, 'portcullis_redis_up'), 0)
    t.equal((await held.oneMore()).body['error'], 'user_connection_limit', 'it counts what it holds')
    redis.resume()
    await expectBackAgain(t, gateway, 1)
    t.equal((await held.oneMore()).body['error'], 'user_connection_limit')
  })

  await t.test('Redis is killed and starts again empty: the open sockets are counted there again', async (t) => {
    await redis.stop()
    await held.allAnswer()
    await openOne(t, gateway, token())
    await gateway.waitForLog('limits.degraded', line => line['reason'] === 'unreachable')
    await redis.restart()
    await expectBackAgain(t, gateway, 2)
    t.equal(await redis.client.zcard('ws:ratelimit:user:alice'), 5)
    t.equal((await held.oneMore()).body['error'], 'user_connection_limit')
    await held.allAnswer()
  })

  await t.test('not one socket was closed through all of it, and nothing was a fault', async (t) => {
    t.equal(held.countClosed(), 0)
    t.equal(countLines(gateway, 'fault'), 0)
  })
})
