import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type Frame } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { startRedisProxy } from '../support/redis-proxy.js'
import { answerOf, comeBack, PUBLISH_KEY, range, setUp, type HistoryClient } from './bench.js'

/** What somebody who comes while Redis is away, with a position, is told of it; null: refused, or not answered with an answer. */
async function comeWhileAway (client: HistoryClient, since: string): Promise<boolean | undefined | null> {
  client.send({ type: 'subscribe', id: 's', agent_ids: ['a1'], since: { 'agent:a1': since } })
  const frame: Frame = await client.next()
  return frame.type === 'subscribed' ? answerOf(frame, 'agent:a1').recovered : null
}

async function testOutage (t: Test, policy: 'local' | 'open' | 'closed'): Promise<void> {
  const redis = await startRedis(t)
  const proxy = await startRedisProxy(t, redis.port)
  const bench = await setUp(t, redis.client, { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, WS_LIMITS_ON_REDIS_DOWN: policy })
  const { gateway, issuer, open, publish } = bench
  const staying = await open('agent_ids=a1')
  const positions = await publish('agent:a1', ...range(1, 10))
  t.same(await staying.until(10), range(1, 10))
  const [own = ''] = await publish('user:alice', 'own 1')
  t.same(await staying.until('own 1'), ['own 1'])
  let away: HistoryClient | null = null
  const letIn = proxy.cut()
  await gateway.waitForLog('limits.degraded')
  await publish('agent:a1', ...range(11, 20))
  await publish('user:alice', 'own 2')
  if (policy === 'closed') {
    const token = issuer.sign({ sub: 'bob', agents: ['a1'] })
    t.equal((await connectRefused(t, gateway, `/ws?token=${token}`, { from: freshAddress() })).status, 503)
  } else {
    away = await open(`since=${own}`)
    t.equal(await comeWhileAway(away, positions[4] ?? ''), null, 'nobody is told what is not known')
  }
  letIn()
  t.same((await staying.until(20)).filter(one => one !== 'own 2'), range(11, 20), 'who stayed has missed nothing')
  await gateway.waitForLog('limits.restored')
  if (away?.welcome['recovered'] === true) t.same(await away.until('own 2'), ['own 2'], 'what welcome promised')
  const back = await comeBack(bench, 'agent:a1', positions[4] ?? '')
  t.equal(answerOf(back.subscribed, 'agent:a1').recovered, true)
  await publish('agent:a1', 21)
  t.same(await back.until(21), range(6, 21))
}

for (const policy of ['local', 'open', 'closed'] as const) {
  t.test(`Redis is away, and the policy is ${policy}`, async (t) => { await testOutage(t, policy) })
}

t.test('in one process without Redis', async (t) => {
  const issuer = await startIssuer(t)
  const settings = { ...trust(issuer), PUBLISH_KEY, WS_HISTORY_EVENTS: '5', WS_USER_CONNECTIONS: '100' }
  const gateway = await startGateway(t, settings)
  const other = await startGateway(t, settings)
  const publish = async (...data: number[]): Promise<string[]> => {
    const response = await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, {
      method: 'POST', headers: { 'x-publish-key': PUBLISH_KEY }, body: JSON.stringify(data.map(one => ({ topic: 'agent:a1', event: 'e', data: one })))
    })
    return (await response.json() as Array<{ readonly pos: string }>).map(({ pos }) => pos)
  }
  const positions = await publish(...range(1, 10))
  for (const [at, since, expected] of [
    [gateway, positions[4], true], [gateway, positions[3], false], [gateway, positions[9], true], [other, positions[9], false]
  ] as const) {
    const client = await connect(t, at, `/ws?token=${issuer.sign({ sub: 'alice', agents: ['a1'] })}`, { from: freshAddress() })
    client.send({ type: 'subscribe', agent_ids: ['a1'], since: { 'agent:a1': since } })
    t.equal(answerOf(await client.nextOf('subscribed'), 'agent:a1').recovered, expected, String(since))
  }
})
