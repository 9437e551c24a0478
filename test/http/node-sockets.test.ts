import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { NodeSockets } from '../../src/http/node-sockets.js'
import { openRaw, readResponse, type RawSocket } from '../support/raw-socket.js'
import { until } from '../support/until.js'

const [EVE, ALICE] = ['127.0.0.2', '127.0.0.3']
const MAX_SOCKETS = 6

/** A server of Node's own whose sockets are bounded; `/hangs` is never answered. */
async function setUp (t: Test) {
  let nowMs = 0
  const sockets = new NodeSockets({ maxSockets: MAX_SOCKETS, maxPipelined: 2, keyOf: ({ remoteAddress = '' }) => remoteAddress, now: () => nowMs })
  const server = createServer((request, response) => {
    if (sockets.begin(request.socket, response) && request.url !== '/hangs') response.end()
  })
  server.on('connection', (socket) => { sockets.add(socket) })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    advance (ms: number) { nowMs += ms },
    /** Resolves once the server has taken it in. */
    async open (from: string): Promise<RawSocket> {
      const [raw] = await Promise.all([openRaw(t, port, from), new Promise((resolve) => { server.once('connection', resolve) })])
      return raw
    }
  }
}

const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

async function isHeard (raw: RawSocket): Promise<boolean> {
  raw.write(request('/'))
  return (await readResponse(raw))?.status === 200
}

async function untilEnded (...ended: Array<RawSocket | undefined>): Promise<void> {
  await until('the end of a socket', () => ended.every(raw => raw?.socket.destroyed === true))
}

type Bench = Awaited<ReturnType<typeof setUp>>

async function openMany (bench: Bench, count: number, from: string, heard = true): Promise<RawSocket[]> {
  const opened = []
  for (let n = 0; n < count; n++) {
    const raw = await bench.open(from)
    if (heard) await isHeard(raw)
    opened.push(raw)
  }
  return opened
}

t.test('where every old socket has asked, newcomers of the same address are heard, also several at once', async (t) => {
  const bench = await setUp(t)
  const [oldest, second] = await openMany(bench, MAX_SOCKETS, EVE)
  const [probe, other] = [await bench.open(EVE), await bench.open(EVE)]
  t.same(await Promise.all([isHeard(probe), isHeard(other)]), [true, true])
  await untilEnded(oldest, second)
})

t.test('one that has not asked is spared for a second only', async (t) => {
  const bench = await setUp(t)
  const [silent] = await openMany(bench, 1, EVE, false)
  bench.advance(1000)
  await openMany(bench, MAX_SOCKETS - 1, EVE)
  t.ok(await isHeard(await bench.open(EVE)))
  await untilEnded(silent)
})

t.test('one that waits for its answer is ended after those that wait for nothing, and before a newcomer', async (t) => {
  const bench = await setUp(t)
  const [first, last] = [await bench.open(EVE), await bench.open(EVE)]
  first.write(request('/hangs'))
  t.ok(await isHeard(last))
  for (const hanging of await openMany(bench, MAX_SOCKETS - 2, EVE, false)) hanging.write(request('/hangs') + request('/hangs'))
  const probe = await bench.open(EVE)
  const next = await bench.open(EVE)
  t.same([await isHeard(probe), await isHeard(next)], [true, true])
  await untilEnded(last, first)
})

t.test('a flood of silent newcomers ends none that waits for its answer: the oldest of them goes', async (t) => {
  const bench = await setUp(t)
  const working = await bench.open(EVE)
  working.write(request('/hangs'))
  const silent = await openMany(bench, MAX_SOCKETS - 1, EVE, false)
  bench.advance(100)
  const more = await openMany(bench, MAX_SOCKETS - 1, EVE, false)
  await untilEnded(...silent)
  t.same([working, ...more].filter(({ socket }) => socket.destroyed), [])
})

t.test('the address that holds most gives the place, whoever comes and however long another one was silent', async (t) => {
  const bench = await setUp(t)
  const victims = await openMany(bench, 2, ALICE)
  const attackers = await openMany(bench, MAX_SOCKETS - 2, EVE)
  const probe = await bench.open(ALICE)
  await untilEnded(attackers[0])
  await openMany(bench, 3, EVE)
  await untilEnded(...attackers)
  t.ok(await isHeard(probe))
  for (const { socket } of victims) t.notOk(socket.destroyed)
})
