import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startCollector, type ReceivedSpan } from '../support/otlp-collector.js'
import { startRedis } from '../support/redis.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'

// Most of the time here is spent waiting for processes.
t.jobs = 2

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN_ID = '00f067aa0ba902b7'
const TRACEPARENT = `00-${TRACE_ID}-${SPAN_ID}-01`
const PROXIES = { TRUSTED_PROXIES: '127.66.0.0/16' }
const PROXY = '127.66.0.1'
const RAISED = { WS_IP_CONNECTIONS: '1000', WS_USER_CONNECTIONS: '100' }
const SOON = { OTEL_BSP_SCHEDULE_DELAY: '20' }

async function publish (port: number, event: object | readonly object[], traceparent?: string): Promise<number> {
  const headers = { 'X-Publish-Key': PUBLISH_KEY, ...(traceparent === undefined ? {} : { traceparent }) }
  return (await fetch(`http://127.0.0.1:${port}/v1/publish`, { method: 'POST', headers, body: JSON.stringify(event) })).status
}
const event = (data: unknown): object => ({ topic: 'agent:a1', event: 'e', data })

async function openClient (t: Test, gateway: TestGateway, issuer: TestIssuer, query = 'agent_ids=a1'): Promise<TestClient> {
  const token = issuer.sign({ agents: ['a1'], scope: 'ws:send' })
  return await connect(t, gateway, `/ws?${query}`, { from: freshAddress(), headers: { authorization: `Bearer ${token}` } })
}
const traceOf = (frame: Readonly<Record<string, unknown>>): unknown => frame['trace']
const isUpgrade = ({ name }: ReceivedSpan): boolean => name === 'upgrade'
const isPublish = ({ name }: ReceivedSpan): boolean => name === 'publish'

t.test('spans of upgrades and publications', { buffered: true }, async (t) => {
  const [issuer, collector] = await Promise.all([startIssuer(t), startCollector(t)])
  const gateway = await startGateway(t, {
    ...trust(issuer),
    ...RAISED,
    ...PROXIES,
    ...SOON,
    PUBLISH_KEY,
    OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.endpoint}/`,
    OTEL_SERVICE_NAME: 'front-door',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=secret',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test'
  })
  const token = issuer.sign({ agents: ['a1'] })

  await t.test('each upgrade has one, with its outcome and the name of its refusal', async (t) => {
    const client = await connect(t, gateway, `/ws?token=${token}&agent_ids=a1`, { from: freshAddress() })
    const { connection_id: id } = await client.nextOf('welcome')
    const refused = ['/ws', `/ws?token=${token.slice(0, -4)}AAAA`, `/ws?token=${token}&agent_ids=other`, `/nowhere/${token}?token=${token}`]
    for (const path of refused) await connectRefused(t, gateway, path, { from: freshAddress() })
    const spans = await collector.waitFor(isUpgrade, 5)
    t.same(spans.map(({ attributes }) => [attributes['outcome'], attributes['refusal'], attributes['http.route']]), [
      ['accepted', undefined, '/ws'], ['refused', 'missing_token', '/ws'], ['refused', 'invalid_token', '/ws'], ['refused', 'forbidden', '/ws'],
      ['refused', 'not_found', undefined]
    ])
    t.equal(spans[0]?.attributes['connection_id'], id)
    t.equal(spans.length, 5)
  })

  await t.test('none holds a token, a part of one, or a query', async (t) => {
    t.same([token, ...token.split('.'), 'agent_ids', 'token='].filter(part => collector.text().includes(part)), [])
  })

  await t.test('the variables of OpenTelemetry are heard', async (t) => {
    t.equal(collector.headers()['x-collector-key'], 'secret')
    t.match(collector.spans[0]?.resource, { 'service.name': 'front-door', 'deployment.environment.name': 'test' })
  })

  await t.test('a client chooses no trace; a trusted proxy does', async (t) => {
    const open = async (from: string, path: string): Promise<unknown> =>
      await connectRefused(t, gateway, path, { from, headers: { traceparent: TRACEPARENT, ...(from === PROXY ? { 'x-forwarded-for': freshAddress() } : {}) } })
    const before = collector.spans.filter(isUpgrade).length
    await open(freshAddress(), '/ws')
    await open(PROXY, '/ws')
    await open(PROXY, '/ws?agent_ids=')
    const spans = (await collector.waitFor(isUpgrade, before + 3)).slice(before)
    t.same(spans.map(({ attributes, traceId, parentSpanId }) => [attributes['refusal'], traceId === TRACE_ID, parentSpanId]), [
      ['missing_token', false, undefined], ['missing_token', true, SPAN_ID], ['bad_request', true, SPAN_ID]
    ])
  })

  await t.test('each publication has one, on either port, in the trace of its request', async (t) => {
    t.equal(await publish(gateway.port, event(1), TRACEPARENT), 202)
    t.equal(await publish(gateway.adminPort, [event(2), { ...event(3), topic: 'nobody' }], TRACEPARENT), 202)
    t.equal(await publish(gateway.port, event(4), 'garbage'), 202)
    const spans = await collector.waitFor(isPublish, 3)
    const said = ({ attributes: { outcome, events, accepted }, traceId, parentSpanId }: ReceivedSpan): unknown[] =>
      [outcome, events, accepted, traceId === TRACE_ID, parentSpanId]
    t.same(spans.map(said), [
      ['accepted', 1, 1, true, SPAN_ID], ['accepted', 2, 1, true, SPAN_ID], ['accepted', 1, 1, false, undefined]
    ])
  })

  await t.test('without WS_TRACE_EVENTS no event shows the trace', async (t) => {
    const client = await openClient(t, gateway, issuer)
    await client.nextOf('subscribed')
    await publish(gateway.port, event('now'), TRACEPARENT)
    t.equal(traceOf(await client.nextOf('event')), undefined)
    t.notMatch(gateway.stdout(), TRACE_ID)
  })
})

t.test('a drain sends the last spans; without the endpoint nothing of OpenTelemetry is loaded', { buffered: true }, async (t) => {
  const [issuer, collector] = await Promise.all([startIssuer(t), startCollector(t)])
  const run = async (name: string, env: Readonly<Record<string, string>>): Promise<string> => {
    const file = join(t.testdirName, name)
    const preload = fileURLToPath(new URL('test/e2e/note-libraries.cjs', PROJECT))
    const gateway = await startGateway(t, { ...trust(issuer), ...env, NODE_OPTIONS: `--require=${preload}`, PORTCULLIS_TEST_LIBRARIES: file })
    await connectRefused(t, gateway, '/ws', { from: freshAddress() })
    gateway.signal('SIGTERM')
    t.equal(await gateway.exited, 0)
    return await readFile(file, 'utf8')
  }
  t.testdir({})
  t.equal(await run('without', { WS_TRACE_EVENTS: 'true', OTEL_SERVICE_NAME: 'unused' }), '')
  t.match(await run('with', { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint }), /sdk-trace/, 'the look does see it')
  t.match(collector.spans, [{ name: 'upgrade', attributes: { refusal: 'missing_token' } }], 'long before the library would have sent it')
})

t.test('a collector that answers nothing, or no, costs a line and at most 2 s at the end', { buffered: true }, async (t) => {
  const [issuer, collector] = await Promise.all([startIssuer(t), startCollector(t)])
  const tracing = { ...SOON, OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint }
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, ...tracing, PUBLISH_KEY })
  collector.answer(403)
  for (let n = 0; n < 3; n++) {
    await connectRefused(t, gateway, '/ws', { from: freshAddress() })
    await until('it is asked', () => collector.requests > n)
  }
  t.match(await gateway.waitForLog('traces.failed'), { level: 'warn', reason: 'refused', detail: '403', url: `${collector.endpoint}/v1/traces` })
  collector.answer(200)
  await publish(gateway.port, event(1))
  t.match(await gateway.waitForLog('traces.restored'), { level: 'info', spans: 3 })
  t.equal(gateway.log.filter(line => line.event === 'traces.failed').length, 1)

  collector.answer(null)
  await connectRefused(t, gateway, '/ws', { from: freshAddress() })
  const { requests } = collector
  gateway.signal('SIGTERM')
  t.equal(await gateway.exited, 0)
  t.ok(collector.requests >= requests)
  t.match(gateway.log.find(line => line.event === 'traces.failed' && line['reason'] === 'timeout'), { level: 'warn' })
})

t.test('the trace of a publication reaches those who listen, through Redis and through several workers', { buffered: true }, async (t) => {
  const [redis, issuer, collector, port] = await Promise.all([startRedis(t), startIssuer(t), startCollector(t), findFreePort()])
  const common = { ...trust(issuer), ...RAISED, PUBLISH_KEY, REDIS_URL: redis.url }
  const [showing, hiding] = await Promise.all([
    startGateway(t, { ...common, ...SOON, WS_TRACE_EVENTS: 'true', WORKERS: '2', PORT: String(port), OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint }),
    startGateway(t, common)
  ])
  await showing.waitForLog('supervisor.started')
  const clients = await Promise.all([showing, hiding].map(async gateway => await openClient(t, gateway, issuer)))
  const positions = await Promise.all(clients.map(async client => (await client.nextOf('subscribed'))['positions']))
  const heard = async (): Promise<unknown[]> => await Promise.all(clients.map(async client => traceOf(await client.nextOf('event'))))

  t.equal(await publish(showing.port, event(1), TRACEPARENT), 202)
  t.same(await heard(), [TRACEPARENT, undefined], 'a gateway that is not to show it never does')
  t.equal(await publish(showing.adminPort, event(2), TRACEPARENT), 202)
  t.same(await heard(), [TRACEPARENT, undefined])
  t.equal(await publish(hiding.port, event(3), TRACEPARENT), 202)
  t.same(await heard(), [undefined, undefined], 'and hands none on')
  t.equal(await publish(showing.port, event(4), `${TRACEPARENT}"`), 202)
  t.same(await heard(), [undefined, undefined])
  t.equal(await publish(showing.port, event(5)), 202)
  t.same(await heard(), [undefined, undefined])

  const late = await Promise.all([showing, hiding].map(async (gateway) => {
    const client = await openClient(t, gateway, issuer, '')
    client.send({ type: 'subscribe', agent_ids: ['a1'], since: positions[0] })
    return client
  }))
  const replayed = await Promise.all(late.map(async client =>
    [await client.nextOf('event'), await client.nextOf('event'), await client.nextOf('event')].map(traceOf)))
  t.same(replayed, [[TRACEPARENT, TRACEPARENT, undefined], [undefined, undefined, undefined]], 'so it is in replays')

  const [client] = clients
  client?.send({ type: 'send', id: 's', to: 'agent:a1', data: 1, traceparent: TRACEPARENT })
  await client?.nextOf('sent')
  const [entry] = await redis.client.xrange('ws:inbound', '-', '+')
  t.same(entry?.[1].slice(-2), ['traceparent', TRACEPARENT], 'that of a message reaches the stream')

  const spans = await collector.waitFor(isPublish, 4)
  t.same(new Set(spans.map(({ resource }) => String(resource['service.instance.id']).split('-').at(-2))).has('0'), true, 'the admin port of the supervisor too')
})
