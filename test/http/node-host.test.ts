import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createMetrics } from '../../src/observe/metrics/metrics.js'
import { createAuthenticator } from '../../src/http/auth.js'
import type { AdminRequest, AdminRoute } from '../../src/http/match-routes.js'
import type { Readiness } from '../../src/gateway/readiness.js'
import { createAdminServer, type AdminOptions } from '../../src/http/node-host.js'
import { offenders } from '../support/offenders.js'
import { HANG_MS } from '../support/until.js'

const SECRET = 's'.repeat(32)
const READY: Readiness = { ready: true, reasons: [], issuersWithoutKeys: [] }
const AUTHORIZED = { headers: { Authorization: `Bearer ${SECRET}` } }

async function startAdmin (t: Test, more: Partial<AdminOptions> = {}) {
  const faults: Array<[unknown, string]> = []
  const metrics = createMetrics({
    connections: () => 0, redisUp: () => null, issuers: () => [], auditDropped: () => 0, ready: () => true, eventLoopLate: () => false
  })
  const admin = await createAdminServer({
    host: '127.0.0.1',
    port: 0,
    authenticate: createAuthenticator({ secret: SECRET }),
    readiness: () => READY,
    renderMetrics: metrics.render,
    routes: [],
    onFault (error, where) { faults.push([error, where]) },
    ...more
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
  await once(socket, 'close')
  return text
}

t.test('health is always 200, readiness follows its function with the reasons', async (t) => {
  let readiness: Readiness = { ready: false, reasons: ['starting', 'no_issuer_keys'], issuersWithoutKeys: ['kc'] }
  const { url } = await startAdmin(t, { readiness: () => readiness })
  const health = await fetch(`${url}/healthz`)
  t.equal(health.status, 200)
  t.same(await health.json(), { status: 'ok' })
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

t.test('a bearer route is reached with the secret only, failures are limited, and no other address pays', async (t) => {
  const route: AdminRoute = { method: 'GET', path: '/v1/x', access: 'bearer', handle: () => ({ status: 204 }) }
  const { url } = await startAdmin(t, { routes: [route] })
  t.equal((await fetch(`${url}/v1/x`, AUTHORIZED)).status, 204)
  const missing = await fetch(`${url}/v1/x`)
  t.equal(missing.status, 401)
  t.equal(missing.headers.get('www-authenticate'), 'Bearer')
  t.equal((await missing.json() as { error: string }).error, 'invalid_token')
  t.equal((await fetch(`${url}/v1/x`, { method: 'DELETE' })).status, 401, 'before anything is told of methods')
  for (let i = 0; i < 8; i++) t.equal((await fetch(`${url}/v1/x`, { headers: { Authorization: 'Bearer guess' } })).status, 401)
  const limited = await fetch(`${url}/v1/x`, AUTHORIZED)
  t.equal(limited.status, 429)
  const retryAfterS = Number(limited.headers.get('retry-after'))
  t.ok(retryAfterS >= 1 && retryAfterS <= 60, `${retryAfterS} s`)
  t.equal((await limited.json() as { retry_after_s: number }).retry_after_s, retryAfterS)
  t.equal((await fetch(`${url}/metrics`)).status, 200)
})

t.test('without a secret a bearer route does not exist, whatever the method or credential', async (t) => {
  const route: AdminRoute = { method: 'GET', path: '/v1/x', access: 'bearer', handle: () => ({ status: 204 }) }
  const { url } = await startAdmin(t, { routes: [route], authenticate: createAuthenticator({ secret: null }) })
  const unknown = await (await fetch(`${url}/v1/nothing`)).text()
  for (const init of [{}, AUTHORIZED, { method: 'DELETE' }]) {
    const response = await fetch(`${url}/v1/x`, init)
    t.equal(response.status, 404)
    t.equal(await response.text(), unknown)
  }
})

t.test('a route gets its decoded segments, the query and the body', async (t) => {
  const seen: AdminRequest[] = []
  const routes: AdminRoute[] = [{
    method: 'POST',
    path: '/v1/users/:id/connections',
    access: 'open',
    async handle (request) {
      seen.push(request)
      const reading = await request.readJson(100)
      return reading.ok ? { status: 200, body: reading.value } : reading.answer
    }
  }]
  const { url } = await startAdmin(t, { routes })
  const response = await fetch(`${url}/v1/users/kc%3Aa%2Fb%20c/connections?x=1`, { method: 'POST', body: '{"a":[1]}' })
  t.same(await response.json(), { a: [1] })
  t.equal(seen[0]?.params.get('id'), 'kc:a/b c')
  t.equal(seen[0]?.query.get('x'), '1')
  t.equal(seen[0]?.peer, '127.0.0.1')
  t.equal((await fetch(`${url}/v1/users//connections`, { method: 'POST', body: '{}' })).status, 404)
})

t.test('a body that is too long is 413 and one that is not JSON is 400, told by length or not', async (t) => {
  const routes: AdminRoute[] = [{
    method: 'PUT',
    path: '/v1/x',
    access: 'open',
    async handle (request) {
      const reading = await request.readJson(10)
      return reading.ok ? { status: 200, body: reading.value } : reading.answer
    }
  }]
  const { url, admin } = await startAdmin(t, { routes })
  async function put (body: string | Uint8Array<ArrayBuffer>): Promise<number> { return (await fetch(`${url}/v1/x`, { method: 'PUT', body })).status }
  t.equal(await put('"12345678"'), 200)
  t.equal(await put('"123456789"'), 413)
  t.same(await offenders(['', '{', 'undefined', new Uint8Array([0x22, 0xff, 0x22])], async body => await put(body) === 400), [])
  const chunked = await sendRaw(admin.port, 'PUT /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n"123456789"\r\n0\r\n\r\n')
  t.match(chunked, /^HTTP\/1\.1 413 /)
  t.match(chunked, /Connection: close/i)
})

t.test('a route that throws is 500 without a word of why, and is told', async (t) => {
  const routes: AdminRoute[] = [
    { method: 'GET', path: '/throws', access: 'open', handle () { throw new Error('the secret reason') } },
    { method: 'GET', path: '/rejects', access: 'open', handle: () => Promise.reject(new Error('the secret reason')) },
    { method: 'GET', path: '/unwritable', access: 'open', handle: () => ({ status: 200, body: 1n }) }
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
  const routes: AdminRoute[] = [{
    method: 'GET',
    path: '/hangs',
    access: 'open',
    handle () {
      entered()
      return new Promise(() => {})
    }
  }]
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
