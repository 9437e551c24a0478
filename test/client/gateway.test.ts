import t from 'tap'
import type { RefreshedFrame } from '../../packages/client/src/frames.js'
import { freshAddress } from '../support/client.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { until } from '../support/until.js'
import { observe, reasonOf } from './observed-client.js'
import { ADMIN_TOKEN, startRestartableGateway } from './restartable-gateway.js'

const nowS = (): number => Math.floor(Date.now() / 1000)

const issuer = await startIssuer(t)
const gateway = await startRestartableGateway(t, issuer, { JWT_CLOCK_TOLERANCE_S: '0' })

t.test('after a crash of the gateway the client is back with all that it listened to', async (t) => {
  let asked = 0
  const token = (): string => { asked++; return issuer.sign({ agents: ['a1', 'a2', 'a3'], tasks: '*' }) }
  const { client, events, reached, states } = observe(t, { url: gateway.url, token, agents: ['a1'] })
  await reached('open')
  await client.subscribe({ agents: ['a2', 'a3'], tasks: ['t1'] })
  await client.unsubscribe({ agents: ['a3'] })
  await gateway.publish('agent:a1', 'before', 1)
  await until('the event before', () => events.length === 1)

  await gateway.crash()
  await until('attempts fail', () => states.filter(state => state.status === 'waiting').length >= 3)
  await gateway.start()
  await reached('open', 2)
  for (const topic of ['agent:a3', 'agent:a1', 'agent:a2', 'task:t1', 'user:alice']) await gateway.publish(topic, 'after', { topic })
  await until('the events after', () => events.length >= 5)
  t.match(events.map(({ topic, event }) => `${topic} ${event}`), ['agent:a1 before', 'agent:a1 after', 'agent:a2 after', 'task:t1 after', 'user:alice after'])
  t.same(events[1]?.data, { topic: 'agent:a1' })
  t.ok(states.every(state => state.status !== 'waiting' || state.because.code === 1006))
  t.ok(asked >= 2, 'each attempt has a token of its own')
})

t.test('a drain is waited for as `closing` tells, and the next process found', async (t) => {
  const { client, reached, states } = observe(t, { url: gateway.url, token: () => issuer.sign({ agents: ['a1'] }), agents: ['a1'] })
  let told = NaN
  let closedAtMs = NaN
  client.on('closing', ({ reconnect_after_ms: ms }) => { [told, closedAtMs] = [ms, performance.now()] })
  await reached('open')
  gateway.current().signal('SIGTERM')
  await reached('waiting')
  const wait = states.find(state => state.status === 'waiting')
  t.match(wait, { because: { name: 'restarting', code: 1012 } })
  t.ok(wait?.status === 'waiting' && wait.retryInMs <= told + 1 && wait.retryInMs >= told - 500, `${told} ms told`)
  t.equal(await gateway.current().exited, 0)
  await gateway.start()
  await reached('connecting', 2)
  t.ok(performance.now() - closedAtMs >= told - 1)
  await reached('open', 2)
})

t.test('a short token is replaced before it ends, on the same connection', async (t) => {
  const ends: number[] = []
  const reasons: string[] = []
  const { client, states } = observe(t, {
    url: gateway.url,
    token: ({ reason }) => {
      ends.push(nowS() + 4)
      reasons.push(reason)
      return issuer.sign({ exp: nowS() + 4 })
    }
  })
  const refreshed: RefreshedFrame[] = []
  client.on('refreshed', (frame) => { refreshed.push(frame) })
  await until('the first token has ended', () => Date.now() / 1000 > (ends[0] ?? Infinity) + 1)
  t.ok(refreshed.length >= 1)
  t.same(states.map(({ status }) => status), ['connecting', 'open'], 'one connection all the time')
  t.same(reasons.slice(0, 2), ['connect', 'refresh'])
  t.ok(refreshed.length <= 5, 'and no storm')
})

t.test('4401: an expired token is followed by a new one', async (t) => {
  const past = nowS() - 3600
  const tokens = [issuer.sign({ iat: past - 60, exp: past }), issuer.sign()]
  const { reached, states } = observe(t, { url: gateway.url, token: () => tokens.shift() ?? null })
  await reached('open')
  t.match(states.map(state => state.status === 'waiting' ? state.because.name : state.status), ['connecting', 'expired_token', 'connecting', 'open'])
})

t.test('4403: an operator who ends a user\'s connections ends the client', async (t) => {
  const { client, reached } = observe(t, { url: gateway.url, token: () => issuer.sign({ sub: 'bob' }) })
  await reached('open')
  await gateway.current().admin('/v1/users/bob/connections', { method: 'DELETE', headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })
  await reached('closed')
  t.match(client.state, { because: { name: 'disconnected', code: 4403 } })
})

t.test('4429', async (t) => {
  const limits = { WS_IP_CONNECTIONS: '1', WS_IP_WINDOW_S: '2', WS_IP_MESSAGES: '5', WS_MESSAGE_WINDOW_S: '1' }
  const gateway = await startRestartableGateway(t, issuer, limits)

  await t.test('an address over its limit waits until there is room', async (t) => {
    const from = freshAddress()
    await observe(t, { url: gateway.url, token: () => issuer.sign() }, from).reached('open')
    const startedAt = performance.now()
    const { reached, states } = observe(t, { url: gateway.url, token: () => issuer.sign({ sub: 'bob' }) }, from)
    await reached('open')
    const waits = states.flatMap(state => state.status === 'waiting' ? [state] : [])
    t.match(waits, [{ because: { name: 'ip_rate_limited', code: 4429 } }])
    t.equal(waits.length, 1, 'the told delay was enough')
    t.ok(performance.now() - startedAt >= (waits[0]?.because.retryAfterMs ?? Infinity) - 1)
  })

  await t.test('too many messages end the connection; it comes back after the delay', async (t) => {
    const { client, reached, states } = observe(t, { url: gateway.url, token: () => issuer.sign({ agents: ['a1'], scope: 'ws:send' }), agents: ['a1'] }, freshAddress())
    await reached('open')
    const sent = await Promise.allSettled(Array.from({ length: 6 }, async (_, n) => { await client.send('agent:a1', n) }))
    t.equal(sent.filter(({ status }) => status === 'rejected').length, 2, 'the subscribe has taken one of five')
    await reached('open', 2)
    t.match(states.find(state => state.status === 'waiting'), { because: { name: 'too_many_requests', code: 4429 } })
  })
})

t.test('requests', async (t) => {
  const token = (): string => issuer.sign({ agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send' })

  await t.test('a send resolves when it is stored, and rejects with the gateway\'s reason when it may not be', async (t) => {
    const { client } = observe(t, { url: gateway.url, token }, freshAddress())
    t.equal(await client.send('agent:a1', { hello: 1 }), undefined, 'asked before it was connected')
    t.equal(await reasonOf(client.send('agent:secret', 1)), 'forbidden')
    t.equal(await reasonOf(client.subscribe({ agents: ['secret'] })), 'forbidden')
    t.equal(client.state.status, 'open')
  })

  await t.test('what the gateway would count as malformed is not sent', async (t) => {
    const { client } = observe(t, { url: gateway.url, token }, freshAddress())
    t.same(await offenders(['a1', 'agent:', 'agent:ö', 'user:alice'], async bad => await reasonOf(client.send(bad as 'agent:a1', 1)) === 'bad_request'), [])
    t.equal(await reasonOf(client.send('agent:a1', undefined)), 'bad_request')
    t.same(await offenders([[], [''], ['a b'], 'a1'], async ids => await reasonOf(client.subscribe({ agents: ids as string[] })) === 'bad_request'), [])
    t.equal(await reasonOf(client.subscribe({})), 'bad_request')
    await client.send('agent:a1', 1)
    t.equal(client.state.status, 'open')
  })

  await t.test('ids that are denied from the start are told, the rest is heard', async (t) => {
    const { client, events, reached } = observe(t, { url: gateway.url, token, agents: ['a1', 'secret'], tasks: ['t1'] }, freshAddress())
    const denied: string[] = []
    client.on('denied', ({ topics }) => { denied.push(...topics) })
    await reached('open')
    t.same(denied, ['agent:secret'])
    await gateway.publish('agent:a1', 'x', 1)
    await gateway.publish('task:t1', 'x', 1)
    await until('both events', () => events.length === 2)
  })

  await t.test('* is all that the user may see; event types narrow it, from the start or later', async (t) => {
    const { client, events, reached } = observe(t, { url: gateway.url, token, agents: '*', eventTypes: ['x', 'y'], carrier: 'query' }, freshAddress())
    await reached('open')
    await gateway.publish('agent:a2', 'z', 1)
    await gateway.publish('agent:a2', 'x', 1)
    await client.subscribe({ tasks: ['t1'], eventTypes: ['z'] })
    await gateway.publish('agent:a1', 'x', 2)
    await gateway.publish('agent:a1', 'z', 2)
    await until('two events', () => events.length >= 2)
    t.same(events.map(({ topic, event }) => `${topic} ${event}`), ['agent:a2 x', 'agent:a1 z'])
  })
})
