// More than a gateway takes: the client says so, or asks in parts, and never asks for the same for ever.
import t from 'tap'
import WebSocket from 'ws'
import type { Denied } from '../../packages/client/src/signals.js'
import type { SocketConstructor } from '../../packages/client/src/surroundings.js'
import { freshAddress } from '../support/client.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { observe, reasonOf } from './observed-client.js'
import { startRestartableGateway } from './restartable-gateway.js'
import { obey, startScriptedServer } from './scripted-server.js'

/** What the gateway below takes in a list. */
const MAX_IDS = 10
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`)
const AGENTS = names('a', 35)

const issuer = await startIssuer(t)
const gateway = await startRestartableGateway(t, issuer, { WS_MAX_FILTER_IDS: String(MAX_IDS) })
const token = (): string => issuer.sign({ agents: AGENTS })

/** As a browser has it: why an upgrade was refused is not told. */
class Browserlike extends WebSocket {
  override emit (name: string | symbol, ...args: unknown[]): boolean {
    return super.emit(name, ...(name === 'error' ? [new Error('')] : args))
  }
}

t.test('more event types than the gateway takes end the client, which says why', async (t) => {
  for (const Socket of [Browserlike, WebSocket] as readonly SocketConstructor[]) {
    for (const count of [MAX_IDS + 1, 60]) {
      const { states, reached } = observe(t, { url: gateway.url, token, eventTypes: names('e', count), WebSocket: Socket })
      await reached('closed')
      t.match(states.at(-1), { because: { name: 'bad_request', reconnect: 'no' } }, `${count} of ${MAX_IDS}`)
    }
  }
})

t.test('event types that the address could not carry go by a frame, and nothing else is heard before', async (t) => {
  const wanted = names('e', 60)
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome({ limits: { filter_ids: 100, frame_bytes: 10_000 } })
    for (const event of ['other', 'e1']) peer.send({ type: 'event', topic: 'user:alice', event, data: 1, ts: '' })
  })
  const { events, reached } = observe(t, { url: server.url, token, eventTypes: wanted, agents: ['a1'] })
  await reached('open')
  t.equal(server.peers[0]?.query.get('event_types'), null)
  t.match(server.peers[0]?.got, [{ event_types: wanted }, { agent_ids: ['a1'] }])
  t.same(events.map(({ event }) => event), ['e1'])
  server.peers[0]?.socket.terminate()
  await reached('open', 2)
  t.equal(server.peers[1]?.query.get('event_types'), wanted.join(','), 'the limit is known now')
})

t.test('an attempt that failed without a word leaves the event types out of the next address', async (t) => {
  const server = await startScriptedServer(t, (peer, n) => {
    if (n === 1) peer.socket.terminate()
    else peer.welcome()
  })
  const { reached } = observe(t, { url: server.url, token, eventTypes: ['x'] })
  await reached('open')
  t.same(server.peers.map(peer => peer.query.get('event_types')), ['x', null])
  t.match(server.peers[1]?.got, [{ type: 'subscribe', event_types: ['x'] }])
})

t.test('a list that is longer than the gateway takes goes in several frames, and is one answer', async (t) => {
  const { client, events, reached } = observe(t, { url: gateway.url, token }, freshAddress())
  const answer = await client.subscribe({ agents: AGENTS })
  t.same(answer.agent_ids.toSorted(), AGENTS.toSorted())
  await gateway.publish('agent:a34', 'x', 1)
  await until('the event', () => events.length === 1)
  await reached('open')
})

t.test('one that is denied undoes what the frames before it have brought, and only that', async (t) => {
  const { client, reached } = observe(t, { url: gateway.url, token, agents: ['a0'] }, freshAddress())
  await reached('open')
  const left: string[] = []
  client.on('unsubscribed', ({ agent_ids: ids }) => { left.push(...ids) })
  t.equal(await reasonOf(client.subscribe({ agents: [...AGENTS.slice(0, 15), 'foreign'] })), 'forbidden')
  t.same(left.toSorted(), AGENTS.slice(1, 10).toSorted())
})

t.test('a part that comes too soon is sent again after the wait that was told; a lost connection repeats no part', async (t) => {
  let frames = 0
  const server = await startScriptedServer(t, (peer) => { peer.welcome() }, (peer, frame) => {
    if (++frames === 2) return peer.send({ type: 'error', id: frame['id'], error: 'too_many_requests', message: 'x', retry_after_ms: 20 })
    if (frames === 4) return peer.socket.terminate()
    obey(peer, frame)
  })
  const { client, reached } = observe(t, { url: server.url, token })
  await reached('open')
  const answer = await client.subscribe({ agents: names('a', 6) })
  t.same(answer.agent_ids.toSorted(), names('a', 6))
  const restored = server.peers[1]?.got.flatMap(frame => frame['agent_ids'] as string[])
  t.same(restored?.toSorted(), names('a', 6), 'what was confirmed before the loss is subscribed on the next connection')
})

t.test('what no gateway would take is told as denied, and the client stays', async (t) => {
  for (const error of ['bad_message', 'bad_request', 'forbidden']) {
    const server = await startScriptedServer(t, (peer) => { peer.welcome() }, (peer, frame) => {
      if (frame['agent_ids'] === undefined) return obey(peer, frame)
      peer.send({ type: 'error', id: frame['id'], error, message: 'x' })
    })
    const { client, states, reached } = observe(t, { url: server.url, token, agents: ['a1'], tasks: ['t1'] })
    const denied: Denied[] = []
    client.on('denied', (signal) => { denied.push(signal) })
    await reached('open')
    t.same(denied, [{ topics: ['agent:a1'], reason: error }])
    t.same(states.map(({ status }) => status), ['connecting', 'open'])
  }
})
