import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { listen, playFanOut, RAISED } from './fan-out.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'

t.test('two processes, 500 sockets each, 20 topics a socket: each gets exactly its events, in order, none twice', async (t) => {
  await playFanOut(t, { processes: 2, socketsEach: 500, topicsEach: 20 })
})

t.test('events of a shared topic and of the user\'s own go out in different ways, and arrive in the order of Redis', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, REDIS_URL: redis.url, WS_PLAIN_USER_PUBLISH: 'true' })
  const listener = listen(t, gateway, issuer.sign({ sub: 'alice', agents: ['a1'] }), ['a1'])
  await listener.subscribed
  const all = redis.client.pipeline()
  for (let n = 0; n < 300; n++) all.publish(n % 3 === 0 ? 'ws:topic:user:alice' : 'ws:topic:agent:a1', JSON.stringify({ event: 'count', data: n }))
  await all.exec()
  await until('every event arrived', () => listener.got.length >= 300)
  t.same(listener.got.map(({ n }) => n), [...Array(300).keys()])
})

t.test('events and subscriptions of one process', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, PUBLISH_KEY })
  const publish = async (body: unknown, key: string = PUBLISH_KEY): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, { method: 'POST', headers: { 'X-Publish-Key': key }, body: typeof body === 'string' ? body : JSON.stringify(body) })
    await answer.arrayBuffer()
    return answer.status
  }
  const token = issuer.sign({ sub: 'alice', agents: ['a1', 'a2', 'a3'], tasks: ['t1'], scope: 'ws:send' })
  const open = async (path: string, using = token): ReturnType<typeof connect> => {
    const client = await connect(t, gateway, `${path}${path.includes('?') ? '&' : '?'}token=${using}`, { from: freshAddress() })
    await client.nextOf('welcome')
    return client
  }

  await t.test('a user hears the topic of its own without asking', async (t) => {
    const client = await open('/ws')
    t.equal(await publish({ topic: 'user:alice', event: 'hello', data: { n: 1 } }), 202)
    const event = await client.nextOf('event')
    t.match(event, { topic: 'user:alice', event: 'hello', data: { n: 1 }, ts: /^\d{4}-\d\d-\d\dT/ })
  })

  await t.test('nobody hears another user, or an agent that was not asked for', async (t) => {
    const alice = await open('/ws?agent_ids=a1')
    await alice.nextOf('subscribed')
    const bob = await open('/ws', issuer.sign({ sub: 'bob', agents: [] }))
    t.equal(await publish({ topic: 'user:alice', event: 'private', data: 1 }), 202)
    t.equal(await publish({ topic: 'agent:a2', event: 'other', data: 1 }), 202)
    t.equal(await publish({ topic: 'user:bob', event: 'last', data: 1 }), 202)
    t.equal(await publish({ topic: 'agent:a1', event: 'last', data: 1 }), 202)
    t.equal((await bob.next())['event'], 'last', 'bob gets his own only')
    t.equal((await alice.next())['event'], 'private')
    t.equal((await alice.next())['event'], 'last')
  })

  await t.test('subscribe and unsubscribe by frame, with the id that the client gave', async (t) => {
    const client = await open('/ws')
    client.send({ type: 'subscribe', id: 's1', agent_ids: ['a1', 'a1', 'a2'], task_ids: ['t1'] })
    t.match(await client.next(), { type: 'subscribed', id: 's1', agent_ids: ['a1', 'a2'], task_ids: ['t1'] })
    await publish({ topic: 'task:t1', event: 'e', data: null })
    t.match(await client.next(), { type: 'event', topic: 'task:t1', data: null })
    client.send({ type: 'unsubscribe', id: 'u1', task_ids: ['t1'] })
    t.match(await client.next(), { type: 'unsubscribed', id: 'u1', task_ids: ['t1'] })
    await publish({ topic: 'task:t1', event: 'e', data: 2 })
    await publish({ topic: 'agent:a2', event: 'e', data: 3 })
    t.match(await client.next(), { type: 'event', topic: 'agent:a2', data: 3 })
  })

  await t.test('one denied id subscribes to nothing, and a missing one looks the same', async (t) => {
    const client = await open('/ws')
    client.send({ type: 'subscribe', id: '1', agent_ids: ['a1', 'secret'] })
    const denied = await client.next()
    t.match(denied, { type: 'error', id: '1', error: 'forbidden' })
    await gateway.waitForLog('access.denied', line => JSON.stringify(line['topics']).includes('secret'))
    await publish({ topic: 'agent:a1', event: 'e', data: 1 })
    client.send({ type: 'ping', id: 'p' })
    t.match(await client.next(), { type: 'pong', id: 'p' }, 'no event came')
  })

  await t.test('* subscribes to all that the user may see', async (t) => {
    const client = await open('/ws?agent_ids=*&task_ids=*')
    t.match(await client.next(), { type: 'subscribed', agent_ids: ['a1', 'a2', 'a3'], task_ids: ['t1'] })
    client.send({ type: 'unsubscribe', agent_ids: ['*'] })
    t.match(await client.next(), { type: 'unsubscribed', agent_ids: ['a1', 'a2', 'a3'], task_ids: [] })
  })

  await t.test('event_types narrows what comes, in the URL and by frame', async (t) => {
    const client = await open('/ws?agent_ids=a1&event_types=wanted')
    await client.nextOf('subscribed')
    await publish({ topic: 'agent:a1', event: 'unwanted', data: 1 })
    await publish({ topic: 'agent:a1', event: 'wanted', data: 2 })
    t.match(await client.next(), { type: 'event', event: 'wanted', data: 2 })
    client.send({ type: 'subscribe', agent_ids: ['a2'], event_types: ['*'] })
    await client.nextOf('subscribed')
    await publish({ topic: 'agent:a1', event: 'unwanted', data: 3 })
    t.match(await client.next(), { type: 'event', event: 'unwanted', data: 3 })
  })

  await t.test('over ten subscribe frames a second the rest are refused and the connection is kept', async (t) => {
    const client = await open('/ws')
    for (let n = 0; n < 15; n++) client.send({ type: 'subscribe', id: String(n), agent_ids: ['a1'] })
    for (let n = 0; n < 10; n++) t.match(await client.next(), { type: 'subscribed', id: String(n) })
    for (let n = 10; n < 15; n++) t.match(await client.next(), { type: 'error', id: String(n), error: 'too_many_requests' })
    client.send({ type: 'unsubscribe', agent_ids: ['a1'] })
    t.equal((await client.next()).type, 'unsubscribed', 'unsubscribing is never refused')
  })

  await t.test('send needs read access and the scope, and is acknowledged', async (t) => {
    const client = await open('/ws')
    client.send({ type: 'send', id: '1', to: 'agent:a1', data: { text: 'hi' } })
    t.match(await client.next(), { type: 'sent', id: '1' })
    client.send({ type: 'send', id: '2', to: 'agent:secret', data: 1 })
    t.match(await client.next(), { type: 'error', id: '2', error: 'forbidden' })
    const reader = await open('/ws', issuer.sign({ sub: 'reader', agents: ['a1'] }))
    reader.send({ type: 'send', id: '3', to: 'agent:a1', data: 1 })
    t.match(await reader.next(), { type: 'error', id: '3', error: 'forbidden' })
  })

  await t.test('publishing needs the key and a well-formed event', async (t) => {
    t.equal(await publish({ topic: 'agent:a1', event: 'e', data: 1 }, 'wrong'), 401)
    t.equal(await publish('not json'), 400)
    t.equal(await publish({ topic: 'session:a1', event: 'e', data: 1 }), 400)
    t.equal(await publish({ topic: 'agent:a1', event: '', data: 1 }), 400)
    t.equal(await publish({ topic: 'agent:a1', event: 'e' }), 400)
    t.equal(await publish({ topic: 'agent:a1', event: 'e', data: 'x'.repeat(1_048_577) }), 413)
  })
})

t.test('event types that change while events come lose and double none', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, REDIS_URL: redis.url, WS_IP_MESSAGES: '1000000', WS_SUBSCRIBES_PER_S: '1000000' })
  const ids = ['a1', 'a2', 'a3', 'a4', 'a5']
  const token = issuer.sign({ sub: 'reader', agents: ids })
  const clients = await Promise.all(Array.from({ length: 10 }, async () => {
    const client = await connect(t, gateway, `/ws?agent_ids=${ids.join(',')}&token=${token}`, { from: freshAddress() })
    await client.nextOf('subscribed')
    return client
  }))
  const rounds = 100
  for (let n = 0; n < rounds; n++) {
    for (const client of clients) client.send({ type: 'subscribe', agent_ids: ['a1'], event_types: n % 2 === 0 ? ['e'] : '*' })
    await Promise.all(ids.map(async (id) => { await redis.client.publish(`ws:topic:agent:${id}`, JSON.stringify({ event: 'e', data: n })) }))
  }
  for (const client of clients) {
    const got = new Map<unknown, unknown[]>(ids.map(id => [`agent:${id}`, []]))
    for (let n = 0; n < rounds * ids.length; n++) {
      const { topic, data } = await client.nextOf('event')
      got.get(topic)?.push(data)
    }
    for (const data of got.values()) t.same(data, [...Array(rounds).keys()])
    t.notOk(client.waiting.some(frame => frame.type === 'event'), 'none twice')
  }
})

t.test('what clients send is kept in the stream until its bound, and refused beyond it', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_INBOUND_MAX: '2' })
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice', agents: ['a1'], scope: 'ws:send' })}`)
  const welcome = await client.nextOf('welcome')
  for (const id of ['1', '2', '3']) client.send({ type: 'send', id, to: 'agent:a1', data: { id } })
  t.match(await client.next(), { type: 'sent', id: '1' })
  t.match(await client.next(), { type: 'sent', id: '2' })
  t.match(await client.next(), { type: 'error', id: '3', error: 'overloaded' })
  const entries = await redis.client.xrange('ws:inbound', '-', '+')
  t.equal(entries.length, 2)
  const fields = entries[0]?.[1] ?? []
  const entry = Object.fromEntries(fields.flatMap((name, n) => n % 2 === 0 ? [[name, fields[n + 1]]] : [])) as Record<string, string>
  t.match(entry, { connection_id: welcome['connection_id'], user_id: 'alice', to: 'agent:a1', data: '{"id":"1"}' })
  t.ok(Date.parse(entry['ts'] ?? '') > 0)
})
