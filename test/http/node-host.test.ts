import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import Type from '#typebox'
import { createMetrics } from '../../src/observe/metrics/metrics.js'
import { createRoute } from '../../src/http/create-route.js'
import { createNodeHost } from '../../src/http/node-host.js'
import { NO_INPUT, type RouteOptions, type RouteRequest } from '../../src/http/route.js'
import { createHealthRoutes, type ReadinessReport } from '../../src/http/routes/health.js'
import { createMetricsRoutes } from '../../src/http/routes/metrics.js'
import { createSecret } from '../../src/http/secrets.js'
import { ANYTHING, createShape } from '../../src/http/shape.js'
import { VERSION } from '../../src/version.js'
import { BUILD } from '../support/metrics.js'
import { offenders } from '../support/offenders.js'
import { untilClosed } from '../support/raw-socket.js'
import { HANG_MS } from '../support/until.js'

const SECRET = 's'.repeat(32)
const READY: ReadinessReport = { ready: true, reasons: [], issuersWithoutKeys: [] }
const AUTHORIZED = { headers: { Authorization: `Bearer ${SECRET}` } }

type Route = ReturnType<typeof createRoute>
const DESCRIBED = { ...NO_INPUT, method: 'GET', path: '/v1/x', secret: null, tag: 'operators', summary: '', answers: {} } as const
/** A body of at most `maxBytes`, whatever JSON it is, given back. */
const echo = (maxBytes: number, more: Partial<RouteOptions<unknown, unknown, unknown>>): Route => createRoute({
  ...DESCRIBED,
  body: { bounds: { maxBytes, timeoutMs: 10_000 }, shape: ANYTHING },
  handle: ({ body }) => ({ status: 200, body }),
  ...more
})

interface AdminParts { readonly routes?: readonly Route[], readonly port?: number, readonly readiness?: () => ReadinessReport }

async function startAdmin (t: Test, { routes = [], port = 0, readiness = () => READY }: AdminParts = {}) {
  const faults: Array<[unknown, string]> = []
  const metrics = createMetrics()
  metrics.start({
    build: BUILD,
    connections: () => 0,
    redisUp: () => null,
    issuers: () => [],
    introspectionLateS: () => null,
    auditDropped: () => 0,
    ready: () => true,
    eventLoopLate: () => false
  })
  const admin = await createNodeHost({
    host: '127.0.0.1',
    port,
    routes: [...createHealthRoutes({ readiness }), ...createMetricsRoutes({ renderMetrics: metrics.render }), ...routes],
    onFault (error, where) { faults.push([error, where]) }
  })
  t.teardown(async () => {
    await admin.close()
    metrics.close()
  })
  return { admin, faults, url: `http://127.0.0.1:${admin.port}` }
}

/** Sends bytes as they are and resolves with everything that came back until the end. */
async function sendRaw (port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => { text += part }).on('error', () => {})
  socket.write(bytes)
  await untilClosed(socket)
  return text
}

t.test('health is always 200, readiness follows its function with the reasons', async (t) => {
  let readiness: ReadinessReport = { ready: false, reasons: ['starting', 'no_issuer_keys'], issuersWithoutKeys: ['kc'] }
  const { url } = await startAdmin(t, { readiness: () => readiness })
  const health = await fetch(`${url}/healthz`)
  t.equal(health.status, 200)
  t.same(await health.json(), { status: 'ok', version: VERSION })
  const unready = await fetch(`${url}/readyz?verbose=1`)
  t.equal(unready.status, 503)
  t.same(await unready.json(), { status: 'not_ready', reasons: ['starting', 'no_issuer_keys'], issuers_without_keys: ['kc'] })
  readiness = READY
  const ready = await fetch(`${url}/readyz`)
  t.equal(ready.status, 200)
  t.same(await ready.json(), { status: 'ready', reasons: [], issuers_without_keys: [] })
})

t.test('metrics are served in the text format, without a credential', async (t) => {
  const { url } = await startAdmin(t)
  const response = await fetch(`${url}/metrics`)
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.match(await response.text(), 'portcullis_connections 0')
})

t.test('an unknown path is 404 in the shape of a refusal, a wrong method 405 with the right ones, HEAD is GET without a body', async (t) => {
  const { url } = await startAdmin(t)
  const unknown = await fetch(`${url}/nothing`)
  t.equal(unknown.status, 404)
  t.same(await unknown.json(), { error: 'not_found', message: 'no such path' })
  const wrong = await fetch(`${url}/healthz`, { method: 'POST', body: '{}' })
  t.equal(wrong.status, 405)
  t.equal(wrong.headers.get('allow'), 'GET, HEAD')
  const head = await fetch(`${url}/healthz`, { method: 'HEAD' })
  t.equal(head.status, 200)
  t.equal((await fetch(`${url}/%zz`)).status, 400)
  t.equal((await fetch(`${url}/healthz/`)).status, 404)
})

t.test('a bearer route is reached with the secret only, and by it however many wrong ones came before', async (t) => {
  const route = createRoute({ ...DESCRIBED, secret: createSecret('admin', [SECRET], () => {}), handle: () => ({ status: 204 }) })
  const { url } = await startAdmin(t, { routes: [route] })
  t.equal((await fetch(`${url}/v1/x`, AUTHORIZED)).status, 204)
  const missing = await fetch(`${url}/v1/x`)
  t.equal(missing.status, 401)
  t.equal(missing.headers.get('www-authenticate'), 'Bearer')
  t.equal((await missing.json() as { error: string }).error, 'invalid_token')
  t.equal((await fetch(`${url}/v1/x`, { method: 'DELETE' })).status, 401, 'before anything is told of methods')
  const wrong = Array.from({ length: 200 }, async () => (await fetch(`${url}/v1/x`, { headers: { Authorization: 'Bearer guess' } })).status)
  t.equal((await fetch(`${url}/v1/x`, AUTHORIZED)).status, 204)
  t.same([...new Set(await Promise.all(wrong))].toSorted(), [401, 429], 'a bounded number of answers is delayed, the rest is told to come later')
  t.equal((await fetch(`${url}/v1/x`, AUTHORIZED)).status, 204)
})

t.test('without a secret a bearer route does not exist, whatever the method or credential', async (t) => {
  const route = createRoute({ ...DESCRIBED, secret: createSecret('admin', [], () => {}), handle: () => ({ status: 204 }) })
  const { url } = await startAdmin(t, { routes: [route] })
  const unknown = await (await fetch(`${url}/v1/nothing`)).text()
  for (const init of [{}, AUTHORIZED, { method: 'DELETE' }]) {
    const response = await fetch(`${url}/v1/x`, init)
    t.equal(response.status, 404)
    t.equal(await response.text(), unknown)
  }
})

t.test('a route gets its decoded segments, the query and the body', async (t) => {
  const seen: Array<RouteRequest<{ id: string }, unknown, unknown>> = []
  const routes = [createRoute({
    ...DESCRIBED,
    method: 'POST',
    path: '/v1/users/:id/connections',
    params: createShape(Type.Object({ id: Type.String() }), 'an id'),
    body: { bounds: { maxBytes: 100, timeoutMs: 10_000 }, shape: ANYTHING },
    handle (request) {
      seen.push(request)
      return { status: 200, body: request.body }
    }
  })]
  const { url } = await startAdmin(t, { routes })
  const response = await fetch(`${url}/v1/users/kc%3Aa%2Fb%20c/connections?x=1&x=2`, { method: 'POST', body: '{"a":[1]}' })
  t.same(await response.json(), { a: [1] })
  t.equal(seen[0]?.params.id, 'kc:a/b c')
  t.same(seen[0]?.query, { x: '1' })
  t.same(seen[0]?.address, { ip: '127.0.0.1', key: '127.0.0.1' })
  t.equal((await fetch(`${url}/v1/users//connections`, { method: 'POST', body: '{}' })).status, 404)
})

t.test('a body that is too long is 413 and one that is not JSON is 400, told by length or not', async (t) => {
  const routes = [echo(10, { method: 'PUT' })]
  const { url, admin } = await startAdmin(t, { routes })
  async function put (body: string | Uint8Array<ArrayBuffer>): Promise<number> { return (await fetch(`${url}/v1/x`, { method: 'PUT', body })).status }
  t.equal(await put('"12345678"'), 200)
  t.equal(await put('"123456789"'), 413)
  t.same(await offenders(['', '{', 'undefined', new Uint8Array([0x22, 0xff, 0x22])], async body => await put(body) === 400), [])
  const chunked = await sendRaw(admin.port, 'PUT /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n"123456789"\r\n0\r\n\r\n')
  t.match(chunked, /^HTTP\/1\.1 413 /)
  t.match(chunked, /Connection: close/i)
})

t.test('a body that does not come in time is 408, and its connection ends', async (t) => {
  const body = { bounds: { maxBytes: 100, timeoutMs: 50 }, shape: ANYTHING }
  const { admin } = await startAdmin(t, { routes: [echo(100, { method: 'POST', body })] })
  const answer = await sendRaw(admin.port, 'POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf')
  t.match(answer, /^HTTP\/1\.1 408 /)
  t.match(answer, '"the body did not come in time"')
})

t.test('a connection carries one request after the other, whether its body was read or not', async (t) => {
  const routes = [echo(100, { method: 'POST' }), createRoute({ ...DESCRIBED, method: 'PUT', secret: createSecret('admin', [SECRET], () => {}), handle: () => ({ status: 204 }) })]
  const { admin } = await startAdmin(t, { routes })
  const request = (method: string, more: string): string => `${method} /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n${more}\r\n"a"`
  const answers = await sendRaw(admin.port, request('POST', '') + request('PUT', '') + request('POST', 'Connection: close\r\n'))
  t.same(answers.match(/^HTTP\/1\.1 \d+/gm), ['HTTP/1.1 200', 'HTTP/1.1 401', 'HTTP/1.1 200'])
})

t.test('a route that throws is 500 without a word of why, and is told', async (t) => {
  const routes = [
    createRoute({ ...DESCRIBED, path: '/throws', handle () { throw new Error('the secret reason') } }),
    createRoute({ ...DESCRIBED, path: '/rejects', handle: () => Promise.reject(new Error('the secret reason')) }),
    createRoute({ ...DESCRIBED, path: '/unwritable', handle: () => ({ status: 200, body: 1n }) })
  ]
  const { url, faults } = await startAdmin(t, { routes })
  for (const path of ['/throws', '/rejects', '/unwritable']) {
    const response = await fetch(`${url}${path}?token=abc`)
    t.equal(response.status, 500)
    t.same(await response.json(), { error: 'internal_error', message: 'something went wrong here' })
  }
  t.same(faults.map(([, where]) => where), ['/throws', '/rejects', '/unwritable'], 'without the query')
})

t.test('garbage, a head that is too long and a client that goes away end only their own connection', async (t) => {
  const { admin, url, faults } = await startAdmin(t)
  t.match(await sendRaw(admin.port, 'garbage\r\n\r\n'), /^HTTP\/1\.1 400 /)
  t.match(await sendRaw(admin.port, `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(9000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  const socket = connect(admin.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
  socket.resetAndDestroy()
  t.equal((await fetch(`${url}/healthz`)).status, 200)
  t.same(faults, [])
})

t.test('a client that sends its head too slowly is told and ended', async (t) => {
  const { admin } = await startAdmin(t)
  t.match(await sendRaw(admin.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n'), /^HTTP\/1\.1 408 /)
})

t.test('closing ends idle keep-alive sockets at once, and a request that hangs after a moment', async (t) => {
  let entered = (): void => {}
  const running = new Promise<void>((resolve) => { entered = resolve })
  const routes = [createRoute({
    ...DESCRIBED,
    path: '/hangs',
    handle () {
      entered()
      return new Promise(() => {})
    }
  })]
  const { admin, url } = await startAdmin(t, { routes })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => { agent.destroy() })
  const idle = httpRequest(`${url}/healthz`, { agent }).end()
  const [response] = await once(idle, 'response') as [NodeJS.ReadableStream]
  response.resume()
  await once(response, 'end')
  const hanging = httpRequest(`${url}/hangs`).end()
  const failure = once(hanging, 'error')
  await running
  const startedAt = performance.now()
  await admin.close()
  await failure
  t.ok(performance.now() - startedAt < HANG_MS)
  await t.rejects(fetch(`${url}/healthz`))
})

t.test('a port that is taken is an error for the caller', async (t) => {
  const { admin } = await startAdmin(t)
  await t.rejects(startAdmin(t, { port: admin.port }), { code: 'EADDRINUSE' })
})
