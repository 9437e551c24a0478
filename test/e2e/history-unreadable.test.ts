import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

// A history that cannot be read keeps nobody out, and nobody is told that nothing is missing.
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const BEFORE = ['~ws:ratelimit:*', '~ws:node*', '~ws:bans', '~ws:ban:*', '~ws:revocations', '~ws:inbound', '~ws:resume*', '~ws:topic:*', '~ws:control*', '~{ws:*', '&*', '+@all']

interface Stage { readonly redis: TestRedis, readonly issuer: TestIssuer, readonly gateway: TestGateway }

async function setStage (t: Test, ...rules: string[]): Promise<Stage> {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  if (rules.length > 0) await allow(redis, ...rules)
  const gateway = await startGateway(t, { ...trust(issuer), PUBLISH_KEY, REDIS_URL: rules.length > 0 ? redis.url.replace('//', '//gate:pass@') : redis.url })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  return { redis, issuer, gateway }
}

const allow = async ({ client }: TestRedis, ...rules: string[]): Promise<void> => { await client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>pass', ...rules) }

async function open (t: Test, { issuer, gateway }: Stage, query = ''): Promise<{ readonly client: TestClient, readonly welcome: Readonly<Record<string, unknown>> }> {
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice', agents: ['a1', 'a2'] })}${query}`, { from: freshAddress() })
  return { client, welcome: await client.nextOf('welcome') }
}

async function publish ({ gateway }: Stage, topic: string, data: unknown): Promise<{ readonly status: number, readonly pos: string }> {
  const answer = await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, {
    method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body: JSON.stringify({ topic, event: 'e', data })
  })
  return { status: answer.status, pos: (await answer.json() as { pos?: string }).pos ?? '' }
}

const linesOf = ({ gateway }: Stage): ReadonlyArray<Readonly<Record<string, unknown>>> => gateway.log.filter(({ event }) => event === 'history.unreadable')

t.test('a user of Redis without any right to the history', async (t) => {
  const stage = await setStage(t, ...BEFORE)
  const { client, welcome } = await open(t, stage, '&since=e:1')
  t.match(welcome, { positions: {}, recovered: false })
  client.send({ type: 'subscribe', id: '1', agent_ids: ['a1'], since: { 'agent:a1': 'e:1' } })
  t.match(await client.next(), { type: 'subscribed', id: '1', positions: {}, recovered: { 'agent:a1': false } })
  await stage.redis.client.publish('ws:topic:agent:a1', '{"event":"e","data":1}')
  t.match(await client.next(), { type: 'event', data: 1 }, 'what a back end publishes is heard')
  t.equal((await publish(stage, 'agent:a1', 2)).status, 503, 'without a place nothing is published')
  const others = await Promise.all(Array.from({ length: 4 }, async () => await open(t, stage)))
  t.equal(others.length, 4)
  const [line, ...more] = linesOf(stage)
  t.match(line, { level: 'error', reason: 'denied', names: ['ws:history:*'], count: 1 })
  t.match(line?.['detail'], /\bget\b.*\bevalsha\b/)
  t.same(more, [], 'one line, however many topics')
  t.ok(await readMetric(stage.gateway, 'portcullis_history_unreadable_total') as number >= 2)
  t.same(stage.gateway.log.filter(({ event }) => event === 'limits.degraded'), [], 'Redis is not away')
  t.equal((await stage.gateway.admin('/readyz')).status, 200)
})

t.test('a user who may write the history and not read all of it: what came before is not recovered, and says so', async (t) => {
  const stage = await setStage(t, ...BEFORE, '(~ws:history:* ~ws:topic:* &* +@all -hget)')
  const from = await publish(stage, 'agent:a1', 1)
  t.equal((await publish(stage, 'agent:a1', 2)).status, 202)
  const { client } = await open(t, stage)
  client.send({ type: 'subscribe', id: '1', agent_ids: ['a1'], since: { 'agent:a1': from.pos } })
  t.match(await client.next(), { type: 'subscribed', id: '1', recovered: { 'agent:a1': false } })
  client.send({ type: 'subscribe', id: '2', agent_ids: ['a2'], last: 5 })
  t.match(await client.next(), { type: 'subscribed', id: '2' })
  const live = await publish(stage, 'agent:a1', 3)
  t.match(await client.next(), { type: 'event', data: 3, pos: live.pos })
  t.match(linesOf(stage), [{ reason: 'denied', names: ['ws:history:*'], detail: 'hget', count: 1 }])
})

t.test('a value of another program at a key of the history: that topic alone has no positions', async (t) => {
  const stage = await setStage(t)
  const { redis: { client: redis } } = stage
  await redis.rpush('ws:history:{ws:topic:agent:a1}', 'not ours')
  await redis.rpush('ws:history:{ws:topic:user:alice}', 'not ours')
  const { client, welcome } = await open(t, stage)
  t.match(welcome, { positions: {} })
  client.send({ type: 'subscribe', id: '1', agent_ids: ['a1', 'a2'], since: { 'agent:a1': 'e:1' } })
  const subscribed = await client.next()
  t.match(subscribed, { type: 'subscribed', id: '1', recovered: { 'agent:a1': false } })
  t.same(Object.keys(subscribed['positions'] as object), ['agent:a2'])
  const { pos } = await publish(stage, 'agent:a2', 1)
  t.match(await client.next(), { type: 'event', topic: 'agent:a2', pos })
  const [line, ...more] = linesOf(stage)
  t.match(line, { level: 'error', reason: 'WRONGTYPE', names: ['ws:history:*'] })
  t.same(more, [])
  t.equal(line?.['detail'], undefined)
})
