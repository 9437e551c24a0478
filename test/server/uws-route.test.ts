import t, { type Test } from 'tap'
import { addressFromBytes } from '../../src/address/client-address.js'
import { refuse } from '../../src/refusals.js'
import { loadBinding } from '../../src/server/binding.js'
import type { HttpAnswer, HttpRequest } from '../../src/server/http-route.js'
import { createUwsServer } from '../../src/server/uws.js'
import { openRaw, readResponse, type RawSocket } from '../support/raw-socket.js'
import { until } from '../support/until.js'

const OK: HttpAnswer = { status: 200, headers: [], body: 'read' }

interface Options {
  readonly maxBytesInAll?: number
  readonly timeoutMs?: number
  readonly handle: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>
}

/** The native server with one route for bodies of at most 100 bytes. */
async function serve (t: Test, { maxBytesInAll = 150, timeoutMs = 60_000, handle }: Options): Promise<{ port: number, faults: unknown[] }> {
  const faults: unknown[] = []
  const server = createUwsServer(loadBinding(), {
    host: '127.0.0.1',
    port: 0,
    tls: null,
    exclusivePort: true,
    maxFrameBytes: 1024,
    maxBufferedBytes: 1024,
    compression: false,
    proxyProtocol: false,
    idleTimeoutS: 8,
    bodies: { maxBytesInAll, timeoutMs }
  }, {
    paths: [],
    routes: [{ method: 'POST', path: '/route', maxBodyBytes: 100, handle }],
    findClient: ({ peer, headers }) => ({
      address: addressFromBytes(peer), refusal: headers.forwardedFor === 'garbage' ? refuse('bad_request') : null, untrustedHeader: false
    }),
    onUpgrade () {},
    onOther: () => ({ status: 404, headers: [], body: '' }),
    onLostUpgrade () {},
    onFault: (error) => { faults.push(error) }
  })
  const port = await server.listen()
  t.teardown(() => { server.close() })
  return { port, faults }
}

const readAll = async ({ readBody }: HttpRequest): Promise<HttpAnswer> => {
  const reading = await readBody()
  return reading.ok ? { ...OK, body: reading.text } : reading.answer
}

async function post (t: Test, port: number, headers: string, body = ''): Promise<RawSocket> {
  const raw = await openRaw(t, port)
  raw.write(`POST /route HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n${body}`)
  return raw
}
const statusOf = async (raw: RawSocket): Promise<number | undefined> => (await readResponse(raw))?.status

t.test('a route that decides by the head answers before any of the body has come, and closes', async (t) => {
  const { port } = await serve(t, { handle: () => ({ ...OK, status: 401 }) })
  const raw = await post(t, port, 'Content-Length: 90')
  t.equal(await statusOf(raw), 401)
  await raw.closed
})

t.test('a body is read whole, in however many pieces it comes', async (t) => {
  const { port } = await serve(t, { handle: readAll })
  const raw = await post(t, port, 'Content-Length: 11', 'first ')
  raw.write('piece')
  t.equal((await readResponse(raw))?.body, 'first piece')
  t.equal((await readResponse(await post(t, port, 'Content-Length: 0')))?.body, '')
})

t.test('a body that is too long is 413 as soon as that is known', async (t) => {
  const { port } = await serve(t, { handle: readAll })
  t.equal(await statusOf(await post(t, port, 'Content-Length: 101')), 413)
  t.equal(await statusOf(await post(t, port, 'Content-Length: 100', 'x'.repeat(100))), 200)
})

t.test('a body that does not come in time ends its request', async (t) => {
  const { port } = await serve(t, { timeoutMs: 50, maxBytesInAll: 100, handle: readAll })
  const raw = await post(t, port, 'Content-Length: 100', 'half')
  t.equal(await statusOf(raw), 408)
  await raw.closed
  t.equal(await statusOf(await post(t, port, 'Content-Length: 100', 'x'.repeat(100))), 200, 'its place is free again')
})

t.test('bodies that are under way at the same time are bounded together', async (t) => {
  let asked = 0
  const { port, faults } = await serve(t, { handle: async (request) => { asked++; return await readAll(request) } })
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
      await readBody()
      throw new Error('broken')
    }
  })
  for (let i = 1; i <= 3; i++) {
    t.match(JSON.parse((await readResponse(await post(t, port, 'Content-Length: 100', 'x'.repeat(100))))?.body ?? ''), { error: 'unavailable' })
    t.equal(faults.length, i)
  }
})

t.test('a request whose client cannot be told is refused before the route is asked', async (t) => {
  const { port } = await serve(t, { handle: ({ address }) => ({ ...OK, body: address.ip }) })
  t.equal(await statusOf(await post(t, port, 'X-Forwarded-For: garbage\r\nContent-Length: 0')), 400)
  t.equal((await readResponse(await post(t, port, 'Content-Length: 0')))?.body, '127.0.0.1')
})

t.test('a header that comes several times is one list in order', async (t) => {
  const { port } = await serve(t, { handle: ({ headers }) => ({ ...OK, body: headers.get('x-many') ?? '' }) })
  t.equal((await readResponse(await post(t, port, 'X-Many: a\r\nX-Other: o\r\nX-Many: b\r\nContent-Length: 0')))?.body, 'a, b')
})
