import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Cluster, Redis } from '#ioredis'
import { createPublisher, jsonText, type Publisher } from '../../src/publisher/create-publisher.js'
import { PublishError } from '../../src/publisher/publish-error.js'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const SETTINGS = { REDIS_KEY_PREFIX: 'p:' }
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

interface Stage { readonly gateway: TestGateway, readonly client: TestClient }

/** A gateway, and a client of it that listens to two topics. */
async function setStage (t: Test, env: Readonly<Record<string, string>>): Promise<Stage> {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...SETTINGS, PUBLISH_KEY, ...env })
  const client = await connect(t, gateway, `/ws?agent_ids=a1,a2&token=${issuer.sign({ agents: ['a1', 'a2'] })}`, { from: freshAddress() })
  await client.nextOf('subscribed')
  return { gateway, client }
}

function openRedis (t: Test, port: number): Redis {
  const redis = new Redis({ host: '127.0.0.1', port, retryStrategy: () => 20 })
  redis.on('error', () => {})
  t.teardown(() => { redis.disconnect() })
  return redis
}

/** Publishes to two topics, waiting for nothing in between, while the answers to some are lost; each is heard once, in order. */
async function expectEachOnce (t: Test, publisher: Publisher, { client }: Stage, proxy: TcpProxy | null): Promise<void> {
  const topics = ['agent:a1', 'agent:a2']
  const lost: string[] = []
  const loseOne = async (data: string): Promise<void> => {
    if (proxy === null) return
    proxy.loseAnswerTo(data)
    await until(`the answer to ${data} is lost`, () => proxy.lost())
    lost.push(data)
  }
  const sent = Array.from({ length: 40 }, (_, n) => ({ topic: topics[n % 2] ?? '', data: `event-${n}-` }))
  const losing = loseOne('event-6-').then(async () => { await loseOne('event-31-') })
  const published = await Promise.all(sent.map(async ({ topic, data }) => await publisher.publish(topic, 'e', data)))
  await losing
  t.same(lost, proxy === null ? [] : ['event-6-', 'event-31-'])
  for (const topic of topics) {
    const offsets = published.filter((_, n) => sent[n]?.topic === topic).map(({ pos }) => Number(pos?.split(':')[1]))
    t.same(offsets, offsets.map((_, n) => (offsets[0] ?? 0) + n), 'positions go up by one in the order of the calls')
  }
  const end = await publisher.publish('agent:a1', 'end', null)
  t.equal(end.duplicate, false)
  const heard: Array<readonly [unknown, unknown]> = []
  for (let n = 0; n < sent.length + 1; n++) {
    const frame = await client.nextOf('event')
    if (frame['event'] === 'e') heard.push([frame['topic'], frame['data']])
  }
  for (const topic of topics) {
    const wanted = sent.filter(({ topic: of }) => of === topic).map(({ data }) => data)
    t.same(heard.filter(([of]) => of === topic).map(([, data]) => data), wanted)
  }
}

t.test('over a Redis whose answers are lost each event comes once, in the order of its topic', async (t) => {
  const redis = await startRedis(t)
  const stage = await setStage(t, { REDIS_URL: redis.url })
  const proxy = await startTcpProxy(t, redis.port)
  await expectEachOnce(t, createPublisher({ redis: openRedis(t, proxy.port), settings: SETTINGS }), stage, proxy)
})

t.test('over a cluster each event comes once', async (t) => {
  const cluster = await startRedisCluster(t)
  const stage = await setStage(t, { REDIS_CLUSTER_URLS: cluster.urls.join(',') })
  const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
  t.teardown(() => { client.disconnect() })
  await expectEachOnce(t, createPublisher({ redis: client, settings: SETTINGS }), stage, null)
})

t.test('over HTTP, whose answers are lost, each event comes once', async (t) => {
  const redis = await startRedis(t)
  const stage = await setStage(t, { REDIS_URL: redis.url })
  const proxy = await startTcpProxy(t, stage.gateway.port)
  await expectEachOnce(t, createPublisher({ url: `http://127.0.0.1:${proxy.port}`, key: PUBLISH_KEY }), stage, proxy)
})

/** A proxy before a gateway that has an event refused once with 503, so that it is not published by then. */
async function startRefusing (t: Test, { port }: TestGateway, text: string): Promise<string> {
  let isRefused = false
  const server = createServer((request, response) => {
    void (async () => {
      const body = Buffer.concat(await request.toArray() as Buffer[])
      if (!isRefused && body.includes(text)) {
        isRefused = true
        response.writeHead(503).end('{"error":"unavailable","message":"the event was not delivered"}')
        return
      }
      const answer = await fetch(`http://127.0.0.1:${port}${request.url ?? ''}`, { method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body })
      response.writeHead(answer.status).end(await answer.text())
    })()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('an event that is tried again is not passed by the next one of its topic, and holds up no other topic', async (t) => {
  const redis = await startRedis(t)
  const { gateway, client } = await setStage(t, { REDIS_URL: redis.url })
  const publisher = createPublisher({ url: await startRefusing(t, gateway, 'first'), key: PUBLISH_KEY })
  const order: string[] = []
  const publish = async (topic: string, data: string): Promise<void> => {
    t.match(await publisher.publish(topic, 'e', data), { duplicate: false })
    order.push(data)
  }
  await Promise.all([publish('agent:a1', 'first'), publish('agent:a1', 'second'), publish('agent:a2', 'elsewhere')])
  t.same(order, ['elsewhere', 'first', 'second'])
  t.same([await client.nextOf('event'), await client.nextOf('event'), await client.nextOf('event')].map(({ data }) => data), order)
})

t.test('what is asked for with the same id is published once, by Redis and by HTTP together', async (t) => {
  const redis = await startRedis(t)
  const { gateway, client } = await setStage(t, { REDIS_URL: redis.url })
  const byRedis = createPublisher({ redis: redis.client, settings: SETTINGS })
  const byHttp = createPublisher({ url: new URL(`http://127.0.0.1:${gateway.port}`), key: PUBLISH_KEY })
  const first = await byRedis.publish('agent:a1', 'e', 1, { id: 'x' })
  t.match(first, { pos: /^\w+:1$/, duplicate: false })
  t.same(await byHttp.publish('agent:a1', 'e', 2, { id: 'x' }), { ...first, duplicate: true })
  t.same(await byRedis.publish('agent:a1', 'e', 3, { id: 'x' }), { ...first, duplicate: true })
  await redis.client.call('SCRIPT', 'FLUSH')
  t.match(await byRedis.publish('agent:a1', 'e', 4), { duplicate: false }, 'a script that Redis has lost is sent again')
  for (const data of [1, 4]) t.equal((await client.nextOf('event'))['data'], data)
})

t.test('data is a value, or JSON text that passes byte for byte', async (t) => {
  const redis = await startRedis(t)
  const { gateway, client } = await setStage(t, { REDIS_URL: redis.url })
  const texts: string[] = []
  client.socket.on('message', (data) => { texts.push(String(data)) })
  const publishers = [createPublisher({ redis: redis.client, settings: SETTINGS }), createPublisher({ url: `http://127.0.0.1:${gateway.port}/`, key: PUBLISH_KEY })]
  const json = '{"b":9007199254740993, "a":1e400}'
  for (const publisher of publishers) {
    await publisher.publish('agent:a1', 'e"\\', { b: 1, a: [null] })
    await publisher.publish('agent:a1', 'e', jsonText(json))
  }
  for (let n = 0; n < 4; n++) await client.nextOf('event')
  t.same(texts.map(text => /"data":(.*?)(,"ts"|,"pos"|,"id"|\}$)/.exec(text)?.[1]), [1, 2].flatMap(() => ['{"b":1,"a":[null]}', json]))
  t.throws(() => jsonText('{"b":01}'), TypeError)
})

t.test('the caller\'s trace goes with the event, by Redis and by HTTP, to those whose gateway shows it; what is none counts as absent', async (t) => {
  const redis = await startRedis(t)
  const [showing, hiding] = await Promise.all([setStage(t, { REDIS_URL: redis.url, WS_TRACE_EVENTS: 'true' }), setStage(t, { REDIS_URL: redis.url })])
  const publishers = [createPublisher({ redis: redis.client, settings: SETTINGS }), createPublisher({ url: `http://127.0.0.1:${showing.gateway.port}`, key: PUBLISH_KEY })]
  const given = [TRACEPARENT, undefined, '', 'garbage', `${TRACEPARENT}-more`, `${TRACEPARENT}\r\nX-Publish-Key: other`]
  const seen: unknown[] = []
  for (const publisher of publishers) {
    for (const [n, traceparent] of given.entries()) {
      await publisher.publish('agent:a1', 'e', n, { traceparent })
      const frames = await Promise.all([showing.client.nextOf('event'), hiding.client.nextOf('event')])
      t.same(frames.map(({ data }) => data), [n, n])
      seen.push(frames.map(({ trace }) => trace))
    }
  }
  const expected = [[TRACEPARENT, undefined], ...given.slice(1).map(() => [undefined, undefined])]
  t.same(seen, [...expected, ...expected])
})

async function failureOf (publishing: Promise<unknown>): Promise<PublishError> {
  const error: unknown = await publishing.then(() => null, (reason: unknown) => reason)
  if (!(error instanceof PublishError)) throw new Error('it did not fail as it should')
  return error
}

t.test('an event that cannot be published says why, and is not tried again', async (t) => {
  const redis = await startRedis(t)
  const { gateway } = await setStage(t, { REDIS_URL: redis.url })
  const url = `http://127.0.0.1:${gateway.port}`
  const byRedis = createPublisher({ redis: redis.client, settings: SETTINGS })
  const byHttp = createPublisher({ url, key: PUBLISH_KEY })
  for (const publisher of [byRedis, byHttp]) {
    for (const [topic, event, data, id] of [['room:1', 'e', 1, 'x'], ['agent:a b', 'e', 1, 'x'], ['agent:a1', '', 1, 'x'], ['agent:a1', 'e', 1, ''], ['agent:a1', 'e', 1, 'i'.repeat(65)], ['agent:a1', 'e', undefined, 'x'], ['agent:a1', 'e', 'x'.repeat(1_048_600), 'x']] as const) {
      const error = await failureOf(publisher.publish(topic, event, data, { id }))
      t.match(error, { name: 'PublishError', code: 'bad_request', mayBePublished: false, id })
    }
  }
  t.match(await failureOf(createPublisher({ url, key: 'wrong' }).publish('agent:a1', 'e', 1)), { code: 'unauthorized', message: /./, id: /^[0-9a-f-]{36}$/ })
  t.match(await failureOf(createPublisher({ url: `${url}/elsewhere`, key: PUBLISH_KEY }).publish('agent:a1', 'e', 1)), { code: 'unauthorized' })
  await redis.client.call('ACL', 'SETUSER', 'stranger', 'on', '>secret', '~*', '&*', '+@all', '-publish')
  const stranger = new Redis({ host: '127.0.0.1', port: redis.port, username: 'stranger', password: 'secret' })
  t.teardown(() => { stranger.disconnect() })
  t.match(await failureOf(createPublisher({ redis: stranger, settings: SETTINGS }).publish('agent:a1', 'e', 1)), { code: 'unauthorized', mayBePublished: false })
  await redis.client.set('p:ws:history:{p:ws:topic:agent:a2}:x', '1')
  // Who listens has begun the topic's numbering.
  await redis.client.multi().del('p:ws:history:{p:ws:topic:agent:a2}').rpush('p:ws:history:{p:ws:topic:agent:a2}', 'of another type').exec()
  t.match(await failureOf(byRedis.publish('agent:a2', 'e', 1)), { code: 'unexpected', mayBePublished: false })
})

t.test('retries end when their time is over, and the error says whether it may be published', async (t) => {
  const nobody = await findFreePort()
  const quick = { retryForMs: 300, timeoutMs: 200 }
  const refused = await failureOf(createPublisher({ url: `http://127.0.0.1:${nobody}`, key: PUBLISH_KEY, ...quick }).publish('agent:a1', 'e', 1))
  t.match(refused, { code: 'unavailable', mayBePublished: false })
  const redis = await startRedis(t)
  const client = openRedis(t, redis.port)
  await client.ping()
  redis.pause()
  const publisher = createPublisher({ redis: client, settings: SETTINGS, ...quick })
  const results = await Promise.all([failureOf(publisher.publish('agent:a1', 'e', 1)), failureOf(publisher.publish('agent:a1', 'e', 2, { id: 'mine' }))])
  t.match(results, [{ code: 'unavailable', mayBePublished: true, id: String }, { code: 'unavailable', mayBePublished: true, id: 'mine' }])
  redis.resume()
  t.match(await createPublisher({ redis: client, settings: SETTINGS }).publish('agent:a1', 'e', 2, { id: 'mine' }), { duplicate: true }, 'it was')
})

t.test('wrong settings, and a URL that is none, are told at once', async (t) => {
  const redis = new Redis({ lazyConnect: true })
  t.throws(() => createPublisher({ redis, settings: { WS_HISTORY_S: '0' } }), /WS_HISTORY_S/)
  t.doesNotThrow(() => createPublisher({ redis, settings: { WS_IP_CONNECTIONS: 'none of its business' } }))
  for (const url of ['nowhere', 'ftp://gateway', 'mailto:gateway']) t.throws(() => createPublisher({ url, key: PUBLISH_KEY }), TypeError, url)
})
