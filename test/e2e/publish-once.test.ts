import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const RAISED = { WS_IP_CONNECTIONS: '1000', WS_USER_CONNECTIONS: '100' }
const SUB = "o'brien|7@b"

interface Answer {
  readonly accepted: boolean
  readonly pos?: string
  readonly duplicate?: true
  readonly error?: string
  readonly message?: string
}
interface Reply { readonly status: number, readonly body: Answer & readonly Answer[] }

interface Stage {
  readonly gateway: TestGateway
  readonly open: (path?: string) => Promise<TestClient>
  readonly publish: (body: unknown, port?: number) => Promise<Reply>
}

async function setStage (t: Test, env: Readonly<Record<string, string>>): Promise<Stage> {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, PUBLISH_KEY, ...env })
  const token = issuer.sign({ sub: SUB, agents: ['a1', 'a2'], tasks: ['t1'] })
  return {
    gateway,
    async open (path = '/ws?agent_ids=a1,a2&task_ids=t1') {
      const client = await connect(t, gateway, path, { from: freshAddress(), headers: { authorization: `Bearer ${token}` } })
      await client.nextOf('subscribed')
      return client
    },
    async publish (body, port = gateway.port) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/publish`, {
        method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body: typeof body === 'string' ? body : JSON.stringify(body)
      })
      return { status: response.status, body: await response.json() as Reply['body'] }
    }
  }
}

const event = (data: unknown, more: object = {}): object => ({ topic: 'agent:a1', event: 'e', data, ...more })
const offsetOf = ({ pos = '' }: Answer): number => Number(pos.split(':')[1])
const epochOf = ({ pos = '' }: Answer): string => pos.split(':')[0] ?? ''

/** What is promised of publishing, on every store and by every port. */
async function expectPromises (t: Test, stage: Stage, ports: readonly number[]): Promise<void> {
  const client = await stage.open()
  const heard = async (): Promise<unknown> => {
    const { topic, data } = await client.nextOf('event')
    return [topic, data]
  }

  await t.test('each event has the next position of its topic, whichever port took it', async (t) => {
    const answers: Answer[] = []
    for (const [n, port] of [...ports, ...ports].entries()) {
      const { status, body } = await stage.publish(event(n), port)
      t.equal(status, 202)
      t.match(body, { accepted: true, pos: /^[A-Za-z0-9_-]{1,47}:[1-9][0-9]*$/ })
      answers.push(body)
      t.same(await heard(), ['agent:a1', n])
    }
    t.same(answers.map(answer => offsetOf(answer) - offsetOf(answers[0] ?? { accepted: false })), answers.map((_, n) => n))
    t.equal(new Set(answers.map(epochOf)).size, 1)
  })

  await t.test('the same id in the same topic is published once and answered with the same position', async (t) => {
    const first = await stage.publish(event('once', { id: 'i-1' }))
    t.match(first.body, { accepted: true, pos: String })
    for (const port of ports) {
      t.same((await stage.publish(event('again', { id: 'i-1' }), port)).body, { ...first.body, duplicate: true })
    }
    const other = await stage.publish(event('other topic', { id: 'i-1', topic: 'agent:a2' }))
    t.equal(other.body.duplicate, undefined)
    const { body } = await stage.publish([event('x', { id: 'i-1' }), event('y', { id: 'i-2' }), event('z', { id: 'i-2' })])
    t.same(body.map(({ duplicate = false }) => duplicate), [true, false, true])
    t.same([await heard(), await heard(), await heard()], [['agent:a1', 'once'], ['agent:a2', 'other topic'], ['agent:a1', 'y']])
  })

  await t.test('an array is published in order, and each is answered by itself', async (t) => {
    const topics = ['agent:a1', 'task:t1', `user:${SUB}`]
    const many = Array.from({ length: 300 }, (_, n) => event(n, { topic: topics[n % topics.length] }))
    for (const port of ports) {
      const { status, body } = await stage.publish([null, ...many, { topic: 'user:a%7Cb', event: 'e', data: 1 }], port)
      t.equal(status, 202)
      t.match([body[0], body.at(-1)], [{ accepted: false, error: 'bad_request' }, { accepted: false, error: 'bad_request', message: /user:a\|b/ }])
      const offsets = body.slice(1, -1).map(offsetOf)
      t.same(offsets, offsets.map((_, n) => (offsets[n % topics.length] ?? 0) + Math.floor(n / topics.length)), 'offsets of each topic go up by one')
      const got = await Promise.all(many.map(heard)) as Array<[string, number]>
      for (const [at, topic] of topics.entries()) {
        const wanted = Array.from({ length: 100 }, (_, n) => at + n * topics.length)
        t.same(got.filter(([of]) => of === topic).map(([, data]) => data), wanted, topic)
      }
    }
  })

  await t.test('1,000 are taken, and 1,001, none, or more than 1 MiB are not', async (t) => {
    const entries = (count: number): object[] => Array.from({ length: count }, (_, n) => event(n, { topic: `agent:quiet-${n % 50}` }))
    t.match(await stage.publish(entries(1000)), { status: 202, body: { length: 1000, 999: { accepted: true } } })
    t.match(await stage.publish(entries(1001)), { status: 400, body: { error: 'bad_request' } })
    t.match(await stage.publish([]), { status: 400, body: { error: 'bad_request' } })
    t.match(await stage.publish([event('x'.repeat(1_048_576))]), { status: 413, body: { error: 'body_too_large' } })
  })

  await t.test('data is passed on byte for byte, out of an array too', async (t) => {
    const texts: string[] = []
    client.socket.on('message', (data) => { texts.push(String(data)) })
    const data = ['9007199254740993', '{"b":1, "a" : [1e400,\t-0.0]}', '"\\u00e9\\ud800 \\/"', '"é\u2028"']
    const entries = data.map(json => `{"topic":"agent:a1","event":"e","data": ${json} }`)
    for (const port of ports) t.equal((await stage.publish(`[${entries.join()}]`, port)).status, 202)
    for (let n = 0; n < data.length * ports.length; n++) await heard()
    t.same(texts.map(text => data.find(json => text.includes(`"data":${json},`))), ports.flatMap(() => data))
  })

  await t.test('an event of nearly 1 MiB comes through', async (t) => {
    const long = 'x'.repeat(1_048_576 - 64)
    t.match(await stage.publish(event(long)), { status: 202, body: { accepted: true } })
    t.equal(JSON.stringify(await heard()).length > long.length, true)
  })
}

t.test('publishing in one process without Redis', async (t) => {
  const stage = await setStage(t, {})
  await expectPromises(t, stage, [stage.gateway.port, stage.gateway.adminPort])
})

t.test('publishing over Redis, from two processes', async (t) => {
  const redis = await startRedis(t)
  const stage = await setStage(t, { REDIS_URL: redis.url, REDIS_KEY_PREFIX: 'p:' })
  const other = await setStage(t, { REDIS_URL: redis.url, REDIS_KEY_PREFIX: 'p:' })
  await expectPromises(t, stage, [stage.gateway.port, other.gateway.port])
})

t.test('publishing over a cluster', async (t) => {
  const cluster = await startRedisCluster(t)
  const stage = await setStage(t, { REDIS_CLUSTER_URLS: cluster.urls.join(',') })
  await expectPromises(t, stage, [stage.gateway.port])
})

t.test('publishing from the admin port of several processes', async (t) => {
  const redis = await startRedis(t)
  const stage = await setStage(t, { REDIS_URL: redis.url, WORKERS: '2', PORT: String(await findFreePort()) })
  await stage.gateway.waitForLog('supervisor.started')
  await expectPromises(t, stage, [stage.gateway.adminPort, stage.gateway.port])
})

t.test('an answer that is lost is asked for again with the same id, and the event comes once', async (t) => {
  const redis = await startRedis(t)
  const proxy = await startTcpProxy(t, redis.port)
  const [listening, cutOff] = await Promise.all([setStage(t, { REDIS_URL: redis.url }), setStage(t, { REDIS_URL: `redis://127.0.0.1:${proxy.port}` })])
  const client = await listening.open()
  proxy.loseAnswerTo('lost-1')
  t.match(await cutOff.publish(event('lost-1', { id: 'x' })), { status: 503, body: { error: 'unavailable', message: /may have been delivered: ask again with the same id/ } })
  await until('it is published', async () => (await cutOff.publish(event('lost-1', { id: 'x' }))).body.duplicate === true)
  proxy.loseAnswerTo('lost-2')
  const lost = await cutOff.publish([event('lost-2', { id: 'y' }), null])
  t.match(lost, { status: 202, body: [{ accepted: false, error: 'unavailable', message: /ask again with the same id/ }, { accepted: false, error: 'bad_request' }] })
  await until('it is published', async () => (await cutOff.publish([event('lost-2', { id: 'y' })])).body[0]?.duplicate === true)
  await listening.publish(event('last'))
  for (const data of ['lost-1', 'lost-2', 'last']) t.equal((await client.nextOf('event'))['data'], data, 'once')
})

t.test('with Redis away one event, and an array, are 503; nothing of them comes later', async (t) => {
  const redis = await startRedis(t)
  const stage = await setStage(t, { REDIS_URL: redis.url })
  const client = await stage.open()
  await redis.stop()
  await until('the gateway knows', async () => (await stage.publish(event('early'))).body.message?.endsWith('; the event was not delivered') === true)
  t.match(await stage.publish([event('early'), event('early'), null]), { status: 503, body: { error: 'unavailable', message: /not delivered/ } })
  await redis.restart()
  await until('it is there again', async () => (await stage.publish(event('late'))).status === 202 && client.waiting.length > 0)
  t.equal((await client.nextOf('event'))['data'], 'late')
})

t.test('a Redis that takes no writes refuses each event, and nobody hears one of them', async (t) => {
  const redis = await startRedis(t)
  const stage = await setStage(t, { REDIS_URL: redis.url })
  const client = await stage.open()
  t.equal((await stage.publish(event('before'))).status, 202)
  await redis.client.call('CONFIG', 'SET', 'maxmemory', '1')
  t.match(await stage.publish([event('full'), event('full')]), { status: 503, body: { message: /memory is full; the event was not delivered/ } })
  await redis.client.call('CONFIG', 'SET', 'maxmemory', '0')
  await redis.client.rpush('ws:history:{ws:topic:agent:a3}', 'of another type')
  const { status, body } = await stage.publish([event('wrong type', { topic: 'agent:a3' }), event('after')])
  t.equal(status, 202)
  t.match(body, [{ accepted: false, error: 'unavailable', message: /the event was not delivered$/ }, { accepted: true, pos: String }])
  for (const data of ['before', 'after']) t.equal((await client.nextOf('event'))['data'], data)
})
