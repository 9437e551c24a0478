import t, { type Test } from 'tap'
import { addressFromBytes } from '../../../src/address/client-address.js'
import { refuse } from '../../../src/refusals.js'
import { loadBinding } from '../../../src/transport/uws/binding.js'
import type { Answer } from '../../../src/http/answers.js'
import { createRoute } from '../../../src/http/create-route.js'
import { NO_INPUT, type Route } from '../../../src/http/route.js'
import { createSecret } from '../../../src/http/secrets.js'
import { createUwsServer } from '../../../src/transport/uws/server.js'
import { openRaw, readResponse, type RawSocket } from '../../support/raw-socket.js'
import { until } from '../../support/until.js'
import { SMALL_SERVER } from './small-server.js'

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const
const text = (body: string): Answer => ({ status: 200, text: { contentType: 'text/plain', body } })

/** A route that does what its handler says, with nothing in between. */
const ROUTE = createRoute({ ...NO_INPUT, method: 'POST', path: '/route', secret: null, tag: 'back ends', summary: '', answers: {}, handle: () => text('') })

const named = (method: Route['method']): Route =>
  ({ ...ROUTE, method, path: '/named/:name', serve: async ({ params, query }) => text(`${method} ${params['name']} ${query['q']}`) })
const REST: Route = { ...ROUTE, method: 'PUT', path: '/rest/:name+', serve: async ({ params }) => text(String(params['name'])) }

interface Options {
  readonly maxBytesInAll?: number
  /** The route wants a secret. */
  readonly secret?: Route['secret']
  readonly keepsConnections?: () => boolean
  readonly handle: Route['serve']
}

/** The native server with that route, and one with a segment for each method. */
async function serve (
  t: Test, { maxBytesInAll = 150, secret = null, keepsConnections = () => true, handle }: Options
): Promise<{ port: number, faults: unknown[] }> {
  const faults: unknown[] = []
  const server = createUwsServer(loadBinding(), { ...SMALL_SERVER, bodies: { maxBytesInAll } })
  const port = await server.listen({
    paths: [],
    routes: [{ ...ROUTE, secret, serve: handle }, ...METHODS.map(named), REST],
    findClient: ({ peer, headers }) => ({
      address: addressFromBytes(peer),
      refusal: headers.forwardedFor === 'garbage' ? refuse('bad_request') : null,
      untrustedHeader: false,
      viaTrustedProxy: false,
      traceparent: ''
    }),
    keepsConnections,
    onUpgrade () {},
    onOther: () => ({ status: 404, headers: [], body: '' }),
    onLostUpgrade () {},
    onFault: (error) => { faults.push(error) }
  })
  t.teardown(() => { server.close() })
  return { port, faults }
}

/** Reads a body of at most 100 bytes and gives it back. */
const readAll = (timeoutMs = 60_000): Route['serve'] => async ({ readBody }) => {
  const reading = await readBody({ maxBytes: 100, timeoutMs })
  return reading.ok ? text(reading.bytes.toString()) : reading.answer
}

async function post (t: Test, port: number, headers: string, body = ''): Promise<RawSocket> {
  const raw = await openRaw(t, port)
  raw.write(`POST /route HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n${body}`)
  return raw
}
const statusOf = async (raw: RawSocket): Promise<number | undefined> => (await readResponse(raw))?.status

t.test('a route that decides by the head answers before any of the body has come, and closes', async (t) => {
  const { port } = await serve(t, { handle: async () => ({ ...text(''), status: 401 }) })
  const raw = await post(t, port, 'Content-Length: 90')
  t.equal(await statusOf(raw), 401)
  await raw.closed
})

const SECRET = createSecret('publish', ['a-publish-key-of-at-least-32-bytes'], () => {})

t.test('who has shown the secret and was served keeps the connection, and asks on it again', async (t) => {
  const { port } = await serve(t, { secret: SECRET, handle: readAll() })
  const raw = await post(t, port, 'Content-Length: 3', 'one')
  t.equal((await readResponse(raw))?.body, 'one')
  raw.write('POST /route HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\ntwo')
  await until('the second answer', () => raw.received().endsWith('two'))
  raw.write('POST /route HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nthree')
  await raw.closed
  t.ok(raw.received().endsWith('three'), 'one that is asked to close does')
})

t.test('the connection of everybody else carries nothing more: no secret, a refusal, a process that drains', async (t) => {
  let isDraining = false
  const served = await serve(t, { secret: SECRET, keepsConnections: () => !isDraining, handle: readAll() })
  const refused = await serve(t, { secret: SECRET, handle: async () => ({ ...text('no'), status: 401 }) })
  const open = await serve(t, { handle: readAll() })
  const again = 'POST /route HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nagain'
  const countAnswers = async (raw: RawSocket): Promise<number> => {
    await statusOf(raw)
    raw.write(again)
    await raw.closed
    return raw.received().split('HTTP/1.1').length - 1
  }
  for (const { port } of [refused, open]) t.equal(await countAnswers(await post(t, port, 'Content-Length: 1', 'x')), 1)
  const raw = await post(t, served.port, 'Content-Length: 1', 'x')
  t.equal(await statusOf(raw), 200)
  isDraining = true
  raw.write('POST /route HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nlast')
  await until('the last answer', () => raw.received().endsWith('last'))
  t.equal(await countAnswers(raw), 2)
})

t.test('a body is read whole, in however many pieces it comes', async (t) => {
  const { port } = await serve(t, { handle: readAll() })
  const raw = await post(t, port, 'Content-Length: 11', 'first ')
  raw.write('piece')
  t.equal((await readResponse(raw))?.body, 'first piece')
  t.equal((await readResponse(await post(t, port, 'Content-Length: 0')))?.body, '')
})

t.test('a body that is too long is 413 as soon as that is known', async (t) => {
  const { port } = await serve(t, { handle: readAll() })
  t.equal(await statusOf(await post(t, port, 'Content-Length: 101')), 413)
  t.equal(await statusOf(await post(t, port, 'Content-Length: 100', 'x'.repeat(100))), 200)
})

t.test('a body that does not come in time ends its request', async (t) => {
  const { port } = await serve(t, { maxBytesInAll: 100, handle: readAll(50) })
  const raw = await post(t, port, 'Content-Length: 100', 'half')
  t.equal(await statusOf(raw), 408)
  await raw.closed
  t.equal(await statusOf(await post(t, port, 'Content-Length: 100', 'x'.repeat(100))), 200, 'its place is free again')
})

t.test('bodies that are under way at the same time are bounded together', async (t) => {
  let asked = 0
  const { port, faults } = await serve(t, { handle: async (request) => { asked++; return await readAll()(request) } })
  const first = await post(t, port, 'Content-Length: 100', 'x')
  await until('the first is under way', () => asked === 1)
  const refused = await readResponse(await post(t, port, 'Content-Length: 51'))
  t.equal(refused?.status, 503)
  t.equal(refused?.headers.get('retry-after'), '1')
  t.match(JSON.parse(refused?.body ?? ''), { error: 'overloaded' })
  t.equal(await statusOf(await post(t, port, 'Content-Length: 50', 'x'.repeat(50))), 200, 'what still fits is read')

  first.write('x'.repeat(99))
  t.equal(await statusOf(first), 200)
  const second = await post(t, port, 'Content-Length: 100', 'x')
  await until('the second is under way', () => asked === 4)
  second.socket.destroy()
  await until('a client that went away gave its place back', async () =>
    await statusOf(await post(t, port, 'Content-Length: 100', 'x'.repeat(100))) === 200)
  t.same(faults, [])
})

t.test('a route that throws is answered 503, told, and holds no place', async (t) => {
  const { port, faults } = await serve(t, {
    maxBytesInAll: 100,
    handle: async ({ readBody }) => {
      await readBody({ maxBytes: 100, timeoutMs: 60_000 })
      throw new Error('broken')
    }
  })
  for (let i = 1; i <= 3; i++) {
    t.match(JSON.parse((await readResponse(await post(t, port, 'Content-Length: 100', 'x'.repeat(100))))?.body ?? ''), { error: 'unavailable' })
    t.equal(faults.length, i)
  }
})

t.test('a request whose client cannot be told is refused before the route is asked', async (t) => {
  const { port } = await serve(t, { handle: async ({ address }) => text(address.ip) })
  t.equal(await statusOf(await post(t, port, 'X-Forwarded-For: garbage\r\nContent-Length: 0')), 400)
  t.equal((await readResponse(await post(t, port, 'Content-Length: 0')))?.body, '127.0.0.1')
})

t.test('a header that comes several times is one list in order', async (t) => {
  const { port } = await serve(t, { handle: async ({ headers }) => text(headers.get('x-many') ?? '') })
  t.equal((await readResponse(await post(t, port, 'X-Many: a\r\nX-Other: o\r\nX-Many: b\r\nContent-Length: 0')))?.body, 'a, b')
})

t.test('segments and query come decoded, for each method', async (t) => {
  const { port } = await serve(t, { handle: readAll() })
  const ask = async (method: string, path: string): Promise<[number | undefined, string | undefined]> => {
    const raw = await openRaw(t, port)
    raw.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`)
    const response = await readResponse(raw)
    return [response?.status, response?.body]
  }
  for (const method of METHODS) t.same(await ask(method, '/named/a%2Fb%20c?q=%2B&q=2'), [200, `${method} a/b c +`])
  t.same((await ask('GET', '/named/%zz'))[0], 400)
  t.same((await ask('GET', '/named/'))[0], 404)
  for (const [path, body] of [['a', 'a'], ['a::/64', 'a::/64'], ['a::%2F64', 'a::/64'], ['a/b/', 'a/b/']] as const) t.same(await ask('PUT', `/rest/${path}`), [200, body])
  t.same(await Promise.all([ask('PUT', '/rest/'), ask('PUT', '/rest'), ask('GET', '/rest/a/b')].map(async answered => (await answered)[0])), [404, 404, 404])
})

t.test('a body that is no UTF-8 is refused, not mended', async (t) => {
  const { port } = await serve(t, { handle: readAll() })
  const raw = await post(t, port, 'Content-Length: 3')
  raw.socket.write(Buffer.from([0x22, 0xff, 0x22]))
  t.equal(await statusOf(raw), 400)
})
