import t from 'tap'
import { runBuiltCheck } from '../cli/run-cli.js'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { openOne, readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { MASTER, startSentinels } from '../support/sentinel.js'
import { until } from '../support/until.js'

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const PASSWORD = 'password-of-the-sentinels'

t.test('a Redis behind three Sentinels', async (t) => {
  const [issuer, first, second] = await Promise.all([startIssuer(t), startRedis(t), startRedis(t)])
  for (const { client } of [first, second]) await client.call('ACL', 'SETUSER', 'gate', 'on', '>pass', '~*', '&*', '+@all')
  await second.client.call('REPLICAOF', '127.0.0.1', first.port)
  await until('the replica follows', async () => (await second.client.info('replication')).includes('master_link_status:up'))
  const sentinels = await startSentinels(t, first.port, PASSWORD)
  const settings = {
    ...trust(issuer),
    ADMIN_TOKEN,
    PUBLISH_KEY,
    WS_LIMITS_ON_REDIS_DOWN: 'closed',
    REDIS_URL: 'redis://gate:pass@this-host-is-not-asked.invalid/0',
    REDIS_SENTINELS: sentinels.addresses.join(),
    REDIS_SENTINEL_MASTER: MASTER,
    REDIS_SENTINEL_PASSWORD: PASSWORD
  }
  const gateway = await startGateway(t, settings)
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice', agents: ['a1'], scope: 'ws:send' })}&agent_ids=a1`, { from: freshAddress() })
  await client.nextOf('subscribed')
  let people = 0

  /** Events, orders, messages and people go by this master. */
  async function goesOnAt ({ client: redis }: TestRedis): Promise<void> {
    const name = `round ${++people}`
    const body = JSON.stringify({ topic: 'agent:a1', event: 'e', data: name })
    await until('what is published arrives', async () => {
      await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, { method: 'POST', headers: { 'x-publish-key': PUBLISH_KEY }, body })
      return client.waiting.some(frame => frame.type === 'event' && frame['data'] === name)
    })
    await until('the metric says so', async () => await readMetric(gateway, 'portcullis_redis_up') === 1)
    const revoked = await gateway.admin('/v1/revocations', { method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: JSON.stringify({ jti: name }) })
    t.equal(revoked.status, 204)
    t.ok(String(await redis.zrange('ws:revocations', '0', '-1')).includes(name))
    client.send({ type: 'send', to: 'agent:a1', data: name })
    await client.nextOf('sent')
    t.ok(JSON.stringify(await redis.xrange('ws:inbound', '-', '+')).includes(name))
    await openOne(t, gateway, issuer.sign({ sub: name }))
  }

  await t.test('it is used, and check says which master they name', async (t) => {
    await goesOnAt(first)
    const { code, find } = await runBuiltCheck(settings)
    t.equal(code, 0)
    t.match(find('redis', 'sentinels'), { verdict: 'ok', reason: `3 of 3 name 127.0.0.1:${first.port} as the master ${MASTER}` })
  })

  await t.test('what is wrong with the settings is told apart', async (t) => {
    const other = await runBuiltCheck({ ...settings, REDIS_SENTINEL_MASTER: 'other' })
    t.match(other.find('redis', 'sentinels'), { verdict: 'fail', reason: 'they watch no master other' })
    const denied = await runBuiltCheck({ ...settings, REDIS_SENTINEL_PASSWORD: 'not-the-password' })
    t.match(denied.find('redis', 'sentinel 127.0.0.1'), { verdict: 'fail', reason: 'denies access' })
    t.notMatch(denied.output, 'not-the-password')
    const noSentinel = await runBuiltCheck({ ...settings, REDIS_SENTINELS: `127.0.0.1:${second.port}`, REDIS_SENTINEL_PASSWORD: '' })
    t.match(noSentinel.find('redis', 'sentinel 127.0.0.1'), { verdict: 'fail', reason: 'is no Sentinel' })
  })

  await t.test('a Sentinel given as REDIS_URL is named, by check and by a process', async (t) => {
    const { REDIS_SENTINELS: _, REDIS_SENTINEL_MASTER: __, REDIS_SENTINEL_PASSWORD: ___, ...rest } = settings
    const mistaken = { ...rest, REDIS_URL: `redis://:${PASSWORD}@${sentinels.addresses[0] ?? ''}` }
    const { code, find } = await runBuiltCheck(mistaken)
    t.equal(code, 1)
    t.match(find('redis', 'mode'), { verdict: 'fail', reason: 'a Sentinel, which keeps no data: REDIS_SENTINELS' })
    const lost = await startGateway(t, mistaken)
    t.match(await lost.waitForLog('redis.wrong'), { level: 'error', reason: /Sentinel.*REDIS_SENTINELS/ })
    t.equal(await readMetric(lost, 'portcullis_redis_up'), 0)
    t.equal((await lost.admin('/readyz')).status, 503)
  })

  await t.test('the master dies', async () => {
    await first.stop()
    await sentinels.untilMasterIs(second.port)
    await goesOnAt(second)
  })

  await t.test('an operator has them fail over', async (t) => {
    await first.restart()
    await first.client.call('ACL', 'SETUSER', 'gate', 'on', '>pass', '~*', '&*', '+@all')
    await until('the old master follows', async () => (await first.client.info('replication')).includes('master_link_status:up'))
    await sentinels.failOver()
    await sentinels.untilMasterIs(first.port)
    await goesOnAt(first)
    t.equal(gateway.log.filter(line => line.event === 'fault').length, 0)
  })

  await t.test('a Sentinel ends: a line says which and why, check too, nothing else is written, and it goes on', async (t) => {
    const [address = ''] = sentinels.addresses
    await sentinels.end(0)
    const line = await gateway.waitForLog('redis.sentinel', ({ detail }) => String(detail).includes('ECONNREFUSED'))
    t.match(line, { level: 'warn', detail: `${address}: it cannot be reached: host, port, TLS or firewall (ECONNREFUSED)` })
    await goesOnAt(first)
    const { code, find } = await runBuiltCheck(settings)
    t.equal(code, 0)
    t.match(find('redis', `sentinel ${address}`), { verdict: 'warn', reason: 'ECONNREFUSED' })
    t.notMatch(gateway.stderr(), 'ioredis')
    t.ok(gateway.log.filter(({ event }) => event === 'redis.sentinel').length <= 3, 'sampled')
  })

  await t.test('all Sentinels and the master are away: a process that starts says so with the code', async (t) => {
    for (const n of [1, 2]) await sentinels.end(n)
    await first.stop()
    const lost = await startGateway(t, settings)
    t.match(await lost.waitForLog('limits.degraded'), { policy: 'closed', reason: 'unreachable', detail: 'ECONNREFUSED' })
  })
})
