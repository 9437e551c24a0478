import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { connect } from '../../packages/client/src/connect.js'
import { WebSocket } from 'ws'
import type { SocketConstructor } from '../../packages/client/src/surroundings.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { observe } from './observed-client.js'
import { startRestartableGateway } from './restartable-gateway.js'

const issuer = await startIssuer(t)
const gateway = await startRestartableGateway(t, issuer)
const asOption = (constructor: unknown): SocketConstructor => constructor as SocketConstructor
const outcome = async (name: string): Promise<number> => await readMetric(gateway.current(), `portcullis_tickets_total{outcome="${name}"}`) ?? 0

/** Answers each request for a ticket so, and counts them. */
async function startDesk (t: Test, status: number, body: unknown): Promise<{ readonly url: string, readonly asked: () => number }> {
  let asked = 0
  const server = createServer((_request, response) => {
    asked++
    response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/tickets`, asked: () => asked }
}

t.test('with tickets a client comes in by one, and sends its token nowhere else', async (t) => {
  const protocols: unknown[] = []
  const urls: string[] = []
  class Watched extends WebSocket {
    constructor (url: string, offered: string[]) {
      super(url, offered)
      urls.push(url)
      protocols.push(offered)
    }
  }
  const { reached } = observe(t, { url: gateway.url, token: () => issuer.sign({}), tickets: true, WebSocket: asOption(Watched) })
  await reached('open')
  t.equal(await outcome('redeemed'), 1)
  t.same(protocols, [['portcullis.v1']])
  t.match(urls, [/[?&]ticket=[A-Za-z0-9_-]{116}/])
  t.notMatch(urls[0], /token=/)
})

t.test('when two tickets are refused it comes in by its token, which counts as refused no time', async (t) => {
  const desk = await startDesk(t, 201, { ticket: 'A'.repeat(116), expires_in: 30 })
  const reasons: string[] = []
  const token = ({ reason }: { reason: string }): string => { reasons.push(reason); return issuer.sign({}) }
  const { reached, states } = observe(t, { url: gateway.url, token, tickets: desk.url })
  await reached('open')
  t.equal(desk.asked(), 2)
  t.same(reasons, ['connect'])
  t.same(states.map(({ status }) => status), ['connecting', 'open'])
})

t.test('where no ticket is to be had the token does', async (t) => {
  const desk = await startDesk(t, 404, { error: 'not_found' })
  const { reached } = observe(t, { url: gateway.url, token: () => issuer.sign({}), tickets: desk.url })
  await reached('open')
  t.equal(desk.asked(), 1)
})

t.test('an address that is over its limit is told when to come back, and tries nothing else meanwhile', async (t) => {
  const desk = await startDesk(t, 429, { error: 'ip_rate_limited', retry_after_s: 41 })
  const { reached, states } = observe(t, { url: gateway.url, token: () => issuer.sign({}), tickets: desk.url })
  await reached('waiting')
  const waiting = states.find(({ status }) => status === 'waiting')
  t.match(waiting, { because: { name: 'ip_rate_limited', retryAfterMs: 41_000 } })
  t.ok(waiting?.status === 'waiting' && waiting.retryInMs >= 41_000)
})

t.test('an address for tickets that is none is told at once', async (t) => {
  const token = (): string => 'a.b.c'
  t.throws(() => connect({ url: gateway.url, token, tickets: 'ftp://gateway.example/', WebSocket: asOption(WebSocket) }), /tickets/)
})
