// Frames and closes that a gateway gives after a long time only, or when something is broken: a real WebSocket server says them here.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import WebSocket from 'ws'
import type { TokenReason } from '../../packages/client/src/client-options.js'
import type { ClientState } from '../../packages/client/src/client-state.js'
import type { Denied } from '../../packages/client/src/signals.js'
import { findFreePort } from '../support/free-port.js'
import { offenders } from '../support/offenders.js'
import { until } from '../support/until.js'
import { observe, reasonOf } from './observed-client.js'
import { obey, startScriptedServer, type Peer } from './scripted-server.js'

const token = (): string => 'a.b.c'
const lastOf = (states: readonly ClientState[], status: ClientState['status']): ClientState | undefined => states.findLast(state => state.status === status)

t.test('`closing` is honoured: not sooner than told, and the resume pass not presented again after a refusal by name', async (t) => {
  const server = await startScriptedServer(t, (peer, n) => {
    if (n === 2) return peer.close(1013, { error: 'overloaded' })
    peer.welcome()
    if (n > 1) return
    peer.send({ type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: 400, resume: 'pass+/=1' })
    peer.close(1012, { error: 'restarting', retry_after_ms: 1 })
  })
  const { reached, states } = observe(t, { url: server.url, token })
  await reached('open')
  await until('a third connection', () => server.peers.length === 3)
  const [first, second, third] = server.peers as [Peer, Peer, Peer]
  t.ok(second.atMs - first.atMs >= 399, 'waited')
  t.same([first, second, third].map(peer => peer.query.get('resume')), [null, 'pass+/=1', null])
  const wait = states.find(state => state.status === 'waiting')
  t.match(wait, { because: { name: 'restarting', code: 1012 } })
  // How much of it has passed already is the machine's affair; that all of it was waited for is asserted above.
  t.ok(wait?.status === 'waiting' && wait.retryInMs <= 400, 'no jitter on top: the gateway has spread its clients')
  t.same(server.peers.map(peer => peer.query.get('token')), [null, null, null], 'no token in an address')
})

t.test('the resume pass is kept over attempts that reach no gateway, and not presented again after `welcome`', async (t) => {
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome()
    if (server.peers.length > 1) return peer.close(4408, { error: 'idle' })
    peer.send({ type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: 20, resume: 'pass1' })
    peer.close(1012, { error: 'restarting' })
  })
  const presented: Array<string | null> = []
  const nowhere = `ws://127.0.0.1:${await findFreePort()}/ws`
  class SocketThatIsRefusedTwice extends WebSocket {
    constructor (url: string, protocols: string[]) {
      presented.push(new URL(url).searchParams.get('resume'))
      const isRefused = presented.length === 2 || presented.length === 3
      super(isRefused ? nowhere : url, protocols)
    }
  }
  const { states } = observe(t, { url: server.url, token, WebSocket: SocketThatIsRefusedTwice })
  await until('a fifth attempt', () => presented.length >= 5)
  t.same(presented.slice(0, 5), [null, 'pass1', 'pass1', 'pass1', null])
  const waits = states.flatMap(state => state.status === 'waiting' ? [state.because.name] : [])
  t.same(waits.slice(0, 4), ['restarting', 'connection_lost', 'connection_lost', 'idle'])
})

t.test('`closing` counts when its connection then breaks instead of closing', async (t) => {
  const server = await startScriptedServer(t, (peer, n) => {
    peer.welcome()
    if (n > 1) return
    peer.send({ type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: 300 })
    setImmediate(() => { peer.socket.terminate() })
  })
  const { states } = observe(t, { url: server.url, token })
  await until('a second connection', () => server.peers.length === 2)
  t.ok((server.peers[1]?.atMs ?? 0) - (server.peers[0]?.atMs ?? 0) >= 299)
  t.match(lastOf(states, 'waiting'), { because: { name: 'restarting', code: 1006 } })
})

t.test('a token callback that fails after `closing` is asked again with back-off, not in a loop', async (t) => {
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome()
    peer.send({ type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: 1 })
    peer.close(1012)
  })
  let calls = 0
  const failing = (): string => {
    if (++calls > 1) throw new Error('the sign-in service is away')
    return 'a.b.c'
  }
  const { states, client } = observe(t, { url: server.url, token: failing, backoff: { baseMs: 1000, capMs: 60_000 } })
  await until('the callback failed', () => states.some(state => state.status === 'waiting' && state.because.name === 'token_failed'))
  const waits = states.filter(state => state.status === 'waiting')
  client.close()
  t.ok(calls <= 3, `${calls} calls`)
  t.same(waits.map(state => state.because.name).slice(0, 2), ['restarting', 'token_failed'])
  t.ok((waits[1]?.retryInMs ?? 0) > 0, 'the told time is over and counts no more')
})

t.test('4429 waits for the delay in the reason', async (t) => {
  const server = await startScriptedServer(t, (peer, n) => {
    if (n === 1) peer.close(4429, { error: 'ip_rate_limited', retry_after_ms: 300 })
    else peer.welcome()
  })
  const { reached } = observe(t, { url: server.url, token })
  await reached('open')
  t.ok((server.peers[1]?.atMs ?? 0) - (server.peers[0]?.atMs ?? 0) >= 299)
})

t.test('a ban ends with its delay, though it shares the code of what is final', async (t) => {
  const server = await startScriptedServer(t, (peer, n) => {
    if (n === 1) peer.close(4403, { error: 'banned', retry_after_ms: 50 })
    else peer.welcome()
  })
  await observe(t, { url: server.url, token }).reached('open')
  t.equal(server.peers.length, 2)
})

const FINAL: ReadonlyArray<readonly [number, string]> = [
  [4400, 'bad_message'], [4403, 'forbidden'], [4403, 'disconnected'], [1009, 'frame_too_large'], [1000, 'normal']
]
for (const [code, error] of FINAL) {
  t.test(`${code} ${error} is final`, async (t) => {
    const server = await startScriptedServer(t, (peer) => { peer.close(code, { error }) })
    const { client, reached, states } = observe(t, { url: server.url, token })
    await reached('closed')
    t.match(client.state, { status: 'closed', because: { name: error, code } })
    t.same(states.map(({ status }) => status), ['connecting', 'closed'])
    t.equal(await reasonOf(client.send('agent:a1', 1)), 'closed')
  })
}

t.test('idle, slow, overloaded, unavailable and unknown closes are followed by another attempt, and the back-off grows', async (t) => {
  const closes: ReadonlyArray<readonly [number, string]> = [
    [4408, 'idle'], [4508, 'slow_consumer'], [1013, 'overloaded'], [4503, 'unavailable'], [4999, 'new_one'], [1011, '']
  ]
  const server = await startScriptedServer(t, (peer, n) => {
    const close = closes[n - 1]
    if (close === undefined) peer.welcome()
    else peer.close(close[0], { error: close[1] })
  })
  const { reached, states } = observe(t, { url: server.url, token })
  await reached('open')
  const waits = states.flatMap(state => state.status === 'waiting' ? [state] : [])
  t.same(waits.map(({ because }) => because.name), ['idle', 'slow_consumer', 'overloaded', 'unavailable', 'connection_lost', 'connection_lost'])
  t.same(await offenders(waits.entries(), ([n, { retryInMs }]) => retryInMs <= Math.min(100, 20 * 2 ** n)), [])
})

t.test('a stable connection starts the back-off anew, a short one does not', async (t) => {
  const waitsWith = async (stableMs: number): Promise<number[]> => {
    const server = await startScriptedServer(t, (peer, n) => {
      peer.welcome()
      if (n < 12) setImmediate(() => { peer.socket.terminate() })
    })
    const { states, reached } = observe(t, { url: server.url, token, stableMs, backoff: { baseMs: 2, capMs: 400 } })
    await reached('waiting', 11)
    return states.flatMap(state => state.status === 'waiting' ? [state.retryInMs] : [])
  }
  t.ok((await waitsWith(0)).every(ms => ms <= 2))
  t.ok((await waitsWith(60_000)).some(ms => ms > 2))
})

t.test('a refused token is not presented again; the callback is told why it is asked', async (t) => {
  const tokens = ['old.old.old', 'old.old.old', 'new.new.new']
  const reasons: string[] = []
  const server = await startScriptedServer(t, (peer) => {
    if (peer.token === 'old.old.old') peer.close(4401, { error: 'expired_token' })
    else peer.welcome()
  })
  const { reached } = observe(t, { url: server.url, token: ({ reason }) => { reasons.push(reason); return tokens.shift() ?? null } })
  await reached('open')
  t.same(server.peers.map(peer => peer.token), ['old.old.old', 'new.new.new'])
  t.same(reasons, ['connect', 'refused', 'refused'])
})

t.test('after five refused tokens the client gives up', async (t) => {
  let n = 0
  const server = await startScriptedServer(t, (peer) => { peer.close(4401, { error: 'invalid_token' }) })
  const { client, reached } = observe(t, { url: server.url, token: () => `a.b.${++n}` })
  await reached('closed')
  t.equal(server.peers.length, 5)
  t.match(client.state, { because: { name: 'invalid_token', code: 4401 } })
})

t.test('a callback that gives null ends the client; one that gives no token, throws or hangs is asked again', async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.welcome() })
  const answers = [
    () => 'not a token', () => { throw new Error('away') }, () => Promise.reject(new Error('away')), () => new Promise<string>(() => {}), () => null
  ]
  const { client, states, reached } = observe(t, { url: server.url, token: () => (answers.shift() ?? token)(), timeoutMs: 30 })
  await reached('closed')
  t.same(states.flatMap(state => state.status === 'waiting' ? [state.because.name] : []), Array(4).fill('token_failed'))
  t.match(client.state, { because: { name: 'signed_out', code: null } })
  t.same(server.peers, [])
})

t.test('re-subscription keeps to the list length, waits when told to and finds the denied by halves before the client is open', async (t) => {
  let rateLimited = false
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome({ limits: { filter_ids: 4, frame_bytes: 1000 } })
  }, (peer, frame) => {
    const ids = [frame['agent_ids'] ?? [], frame['task_ids'] ?? []].flat() as string[]
    if (!rateLimited) {
      rateLimited = true
      return peer.send({ type: 'error', id: frame['id'], error: 'too_many_requests', message: 'x', retry_after_ms: 20 })
    }
    if (ids.includes('gone')) return peer.send({ type: 'error', id: frame['id'], error: 'forbidden', message: 'x' })
    obey(peer, frame)
  })
  const { client, reached } = observe(t, { url: server.url, token, agents: ['a1', 'gone', 'a3', 'a4', 'a5'], tasks: ['t1'] })
  const denied: Denied[] = []
  const confirmed: string[] = []
  client.on('denied', (signal) => { denied.push(signal) })
  client.on('subscribed', ({ agent_ids: agents, task_ids: tasks }) => {
    t.equal(client.state.status, 'connecting')
    confirmed.push(...agents, ...tasks)
  })
  await reached('open')
  t.same(denied, [{ topics: ['agent:gone'], reason: 'forbidden' }])
  t.same(confirmed.toSorted(), ['a1', 'a3', 'a4', 'a5', 't1'])
  server.peers[0]?.socket.terminate()
  await reached('open', 2)
  t.same(server.peers[1]?.got.map(frame => frame['agent_ids']), [['a1', 'a3', 'a4', 'a5']], 'what was denied is not asked for again')
})

t.test('when everything is denied the search ends before the message limit', async (t) => {
  const ids = Array.from({ length: 50 }, (_, n) => `a${n}`)
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome({ limits: { filter_ids: 50, frame_bytes: 10_000 } })
  }, (peer, frame) => {
    peer.send({ type: 'error', id: frame['id'], error: 'forbidden', message: 'x' })
  })
  const { client, reached } = observe(t, { url: server.url, token, agents: ids })
  const denied: string[] = []
  client.on('denied', ({ topics }) => { denied.push(...topics) })
  await reached('open')
  t.same(denied.toSorted(), ids.map(id => `agent:${id}`).toSorted())
  t.ok((server.peers[0]?.got.length ?? 0) <= 30, `${server.peers[0]?.got.length} frames`)
})

t.test('what is asked while not connected waits; a send in flight fails with its connection, a subscribe is asked again', async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.welcome() }, (peer, frame) => {
    if (server.peers.length === 1 && frame.type === 'subscribe') return peer.socket.terminate()
    if (server.peers.length > 1) obey(peer, frame)
  })
  const { client, reached } = observe(t, { url: server.url, token })
  const early = client.send('agent:a1', 'early')
  early.catch(() => {})
  const subscribed = client.subscribe({ agents: ['a1'] })
  t.equal(await reasonOf(early), 'connection_lost')
  const late = client.send('agent:a1', 'late')
  t.match(await subscribed, { type: 'subscribed', agent_ids: ['a1'] })
  await late
  await reached('open', 2)
  t.same(server.peers[1]?.got.map(({ type }) => type), ['subscribe', 'send'])
})

t.test('an unsubscribe during an outage holds on the next connection', async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.welcome() })
  let comeBack = (): void => {}
  const outage = new Promise<string>((resolve) => { comeBack = () => { resolve('a.b.c') } })
  let asked = 0
  const { client, reached } = observe(t, { url: server.url, token: async () => asked++ === 0 ? 'a.b.c' : await outage, agents: ['a1', 'a2'] })
  await reached('open')
  server.peers[0]?.socket.terminate()
  await reached('waiting')
  const unsubscribed = client.unsubscribe({ agents: ['a1'] })
  comeBack()
  await unsubscribed
  t.match(server.peers[1]?.got, [{ type: 'subscribe', agent_ids: ['a2'] }, { type: 'unsubscribe', agent_ids: ['a1'] }])
})

t.test('a connection that gives no welcome is given up', async (t) => {
  const server = createServer(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const { states, reached, client } = observe(t, { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`, token, timeoutMs: 30 })
  await reached('waiting', 2)
  t.match(lastOf(states, 'waiting'), { because: { name: 'no_answer' } })
  client.close()
})

t.test('a connection that no longer answers is found by pings only where they are wanted', async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.welcome() }, (peer, frame) => {
    if (server.peers.length > 1) obey(peer, frame)
  })
  // A welcome and an answer have this long on a busy machine as well.
  const { states, reached } = observe(t, { url: server.url, token, keepAliveMs: 30, timeoutMs: 2000 })
  await reached('open', 2)
  t.match(lastOf(states, 'waiting'), { because: { name: 'silent' } })
  await until('pings are answered', () => (server.peers[1]?.got.length ?? 0) >= 3)
  t.equal(server.peers.length, 2, 'the answered one stays')
})

t.test('`expiring` brings a new token though our clock says that there is time', async (t) => {
  let n = 0
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome({ expires_at: new Date(Date.now() + 3_600_000).toISOString() })
    peer.send({ type: 'expiring', expires_at: new Date(Date.now() + 100).toISOString() })
  }, (peer, frame) => { peer.send({ type: 'refreshed', id: frame['id'], expires_at: new Date(Date.now() + 3_600_000).toISOString() }) })
  observe(t, { url: server.url, token: () => `a.b.${++n}` })
  await until('a refresh', () => server.peers[0]?.got.length === 1)
  t.match(server.peers[0]?.got, [{ type: 'refresh', token: 'a.b.2' }])
})

t.test('a clock that is far ahead makes no storm of refreshes', async (t) => {
  let calls = 0
  const server = await startScriptedServer(t, (peer) => { peer.welcome({ expires_at: new Date(Date.now() - 3_600_000).toISOString() }) })
  const { client, reached } = observe(t, { url: server.url, token: () => `a.b.${++calls}` })
  await reached('open')
  await client.send('agent:a1', 1)
  t.equal(calls, 1)
})

t.test('a token that ends soon by the gateway\'s clock is replaced, whatever clock this machine has', async (t) => {
  const behindMs = Date.now() - 3_600_000
  const iso = (ms: number): string => new Date(ms).toISOString()
  let n = 0
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome({ time: iso(behindMs), expires_at: iso(behindMs + 2000) })
  }, (peer, frame) => { peer.send({ type: 'refreshed', id: frame['id'], expires_at: iso(behindMs + 300_000) }) })
  observe(t, { url: server.url, token: () => `a.b.${++n}` })
  await until('a refresh', () => server.peers[0]?.got.length === 1)
  t.match(server.peers[0]?.got, [{ type: 'refresh', token: 'a.b.2' }])
})

t.test('a token that is being fetched as the connection breaks serves the next: the source is asked one question at a time', async (t) => {
  const asked: TokenReason[] = []
  let give = (_token: string): void => {}
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome()
    if (server.peers.length === 1) peer.send({ type: 'expiring', expires_at: new Date(Date.now() + 100).toISOString() })
  })
  const { reached } = observe(t, {
    url: server.url,
    token: async ({ reason }) => {
      asked.push(reason)
      return asked.length === 1 ? 'a.b.1' : await new Promise((resolve) => { give = resolve })
    }
  })
  await until('a refresh is asked for', () => asked.length === 2)
  server.peers[0]?.socket.terminate()
  await reached('connecting', 2)
  give('a.b.2')
  await reached('open', 2)
  t.same(asked, ['connect', 'refresh'])
  t.equal(server.peers[1]?.token, 'a.b.2')
})

t.test('close and the signal are final at once: nothing is tried again, nothing is left waiting', async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.welcome() }, () => {})
  const controller = new AbortController()
  const { client, reached, states } = observe(t, { url: server.url, token, signal: controller.signal })
  await reached('open')
  const waiting = client.send('agent:a1', 1)
  controller.abort()
  t.equal(await reasonOf(waiting), 'closed')
  t.match(client.state, { status: 'closed', because: { name: 'closed' } })
  client.close()
  await until('the socket is closed', () => server.peers[0]?.socket.readyState === 3)
  t.same(states.map(({ status }) => status), ['connecting', 'open', 'closed'])
  const aborted = observe(t, { url: server.url, token: () => { throw new Error('not asked') }, signal: controller.signal })
  await aborted.reached('closed')
  t.same(aborted.states.map(({ status }) => status), ['closed'])
})

t.test('a listener that throws is seen, and stops neither the others nor the client', async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.welcome() })
  const { client, reached } = observe(t, { url: server.url, token })
  const heard: string[] = []
  const thrown = once(process, 'uncaughtException')
  client.on('welcome', () => { throw new Error('a fault of the page') })
  const off = client.on('welcome', () => { heard.push('removed') })
  client.on('welcome', ({ user_id: userId }) => { heard.push(userId) })
  off()
  await reached('open')
  t.match(await thrown, [{ message: 'a fault of the page' }])
  t.same(heard, ['alice'])
})
