import t, { type Test } from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { openOne, readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const KEYS = 400

const issuer = await startIssuer(t)

interface Stage { readonly old: TestRedis, readonly next: TestRedis, readonly proxy: TcpProxy, readonly gateway: TestGateway }

/** A master and its replica behind one address; connections that are open stay open whatever becomes of the master. */
async function setStage (t: Test): Promise<Stage> {
  const [old, next] = await Promise.all([startRedis(t), startRedis(t)])
  await next.client.call('REPLICAOF', '127.0.0.1', old.port)
  await until('the replica follows', async () => (await next.client.info('replication')).includes('master_link_status:up'))
  const proxy = await startTcpProxy(t, old.port)
  const gateway = await startGateway(t, {
    ...trust(issuer), ADMIN_TOKEN, PUBLISH_KEY, REDIS_URL: `redis://127.0.0.1:${proxy.port}`, WS_LIMITS_ON_REDIS_DOWN: 'closed', WS_USER_LEASE_S: '3'
  })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  return { old, next, proxy, gateway }
}

async function publish (gateway: TestGateway, data: unknown): Promise<number> {
  const body = JSON.stringify({ topic: 'agent:a1', event: 'status', data })
  return (await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, { method: 'POST', headers: { 'x-publish-key': PUBLISH_KEY, 'content-type': 'application/json' }, body })).status
}

async function revoke (gateway: TestGateway, jti: string): Promise<number> {
  return (await gateway.admin('/v1/revocations', { method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: JSON.stringify({ jti }) })).status
}

/** The connections of the gateway that lead to this server. */
async function countConnections ({ client }: TestRedis): Promise<number> {
  return String(await client.call('CLIENT', 'LIST')).split('\n').filter(line => / name=portcullis/.test(line)).length
}

type Demote = (stage: Stage) => Promise<void>

/** New connections lead to the new master from now on, and the old one is demoted so; everything must go on at the new one. */
async function failOver (t: Test, demote: Demote, canAsk: boolean): Promise<void> {
  const stage = await setStage(t)
  const { old, next, proxy, gateway } = stage
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice', agents: ['a1'], scope: 'ws:send' })}&agent_ids=a1`, { from: freshAddress() })
  await client.nextOf('subscribed')
  await next.client.call('REPLICAOF', 'NO', 'ONE')
  proxy.retarget(next.port)
  const watcher = next.client.duplicate()
  t.teardown(() => { watcher.disconnect() })
  const watched: unknown[] = []
  watcher.on('message', (_channel, text: string) => { watched.push((JSON.parse(text) as { data: unknown }).data) })
  await watcher.subscribe('ws:topic:agent:a1')
  await demote(stage)

  const statuses: number[] = []
  await until('an event is accepted', async () => {
    statuses.push(await publish(gateway, statuses.length))
    return statuses.at(-1) === 202
  })
  t.same(await offenders(statuses.slice(0, -1), status => status === 503), [])
  await until('the accepted one is published at the new master', () => watched.includes(statuses.length - 1))
  await until('the metric says so', async () => await readMetric(gateway, 'portcullis_redis_up') === 1)
  await until('every connection is at the new master', async () => await countConnections(next) >= 4)
  if (canAsk) t.equal(await countConnections(old), 0, 'none is left at the old one')

  // The first may have been accepted before its subscription had followed; from now on all arrive.
  await until('what is published arrives', async () => {
    await publish(gateway, 'arrived')
    return client.waiting.some(frame => frame['type'] === 'event' && frame['data'] === 'arrived')
  })
  t.equal(await revoke(gateway, 'j1'), 204)
  t.equal(await next.client.zcard('ws:revocations'), 1)
  client.send({ type: 'send', to: 'agent:a1', data: 1 })
  t.match(await client.nextOf('sent'), { type: 'sent' })
  t.equal(await next.client.xlen('ws:inbound'), 1)
  await openOne(t, gateway, issuer.sign({ sub: 'bob' }))
}

t.test('a fail-over behind one address, where the old connections stay open: everything goes on at the new master', async (t) => {
  await t.test('the old one is demoted', async (t) => {
    await failOver(t, async ({ old, next }) => { await old.client.call('REPLICAOF', '127.0.0.1', next.port) }, true)
  })

  await t.test('the old one is cut off from its replicas', async (t) => {
    await failOver(t, async ({ old }) => { await old.client.config('SET', 'min-replicas-to-write', '1') }, true)
  })

  await t.test('the old one loads for ever', async (t) => {
    await failOver(t, async ({ old, next }) => {
      for (let i = 0; i < KEYS; i++) await next.client.set(`filler:${i}`, 'x'.repeat(1000))
      for (const [name, value] of [['key-load-delay', '1000000'], ['loading-process-events-interval-bytes', '1024']] as const) await old.client.config('SET', name, value)
      await next.client.config('SET', 'repl-diskless-sync-delay', '0')
      // What the new master does not have makes the old one take everything anew.
      for (let i = 0; i < KEYS; i++) await old.client.set('diverged', i)
      await old.client.call('REPLICAOF', '127.0.0.1', next.port)
      await until('it loads', async () => await old.client.get('filler:0').then(() => false, (error: unknown) => String(error).includes('LOADING')))
    }, false)
  })

  await t.test('the old one hangs', async (t) => {
    await failOver(t, async ({ old }) => { old.pause() }, false)
  })
})
