import t, { type Test } from 'tap'
import { connect, freshAddress, type Frame, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis, startRedisCluster } from '../support/redis.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'

interface Bench {
  readonly gateway: TestGateway
  readonly issuer: TestIssuer
  /** Opens a connection of a user who may see agents a1 to a9 and tasks t1 to t9; its `welcome` has been taken. */
  open (query?: string, user?: string): Promise<TestClient & { readonly welcome: Frame }>
  publish (topic: string, data: unknown, event?: string): Promise<void>
}

const IDS = Array.from({ length: 9 }, (_, n) => n + 1)

async function setUp (t: Test, env: Readonly<Record<string, string>>): Promise<Bench> {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), PUBLISH_KEY, WS_USER_CONNECTIONS: '1000', ...env })
  return {
    gateway,
    issuer,
    async open (query = '', user = 'alice') {
      const token = issuer.sign({ sub: user, agents: IDS.map(n => `a${n}`), tasks: IDS.map(n => `t${n}`), scope: 'ws:send' })
      const client = await connect(t, gateway, `/ws?token=${token}${query === '' ? '' : `&${query}`}`, { from: freshAddress() })
      return Object.assign(client, { welcome: await client.nextOf('welcome') })
    },
    async publish (topic, data, event = 'e') {
      const response = await gateway.admin('/v1/publish', {
        method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY, 'Content-Type': 'application/json' }, body: JSON.stringify({ topic, event, data })
      })
      t.equal(response.status, 202)
    }
  }
}

const offsetOf = (pos: unknown): number => Number(String(pos).split(':')[1])
const epochOf = (pos: unknown): string => String(pos).split(':')[0] ?? ''
const positionsOf = (frame: Frame): Record<string, string> => frame['positions'] as Record<string, string>

async function testReceiving (t: Test, env: Readonly<Record<string, string>>): Promise<void> {
  const { open, publish } = await setUp(t, env)

  await t.test('events have positions that go up by one, and whoever begins is told where', async (t) => {
    const client = await open('agent_ids=a1')
    const subscribed = await client.nextOf('subscribed')
    t.same(Object.keys(positionsOf(subscribed)), ['agent:a1'])
    t.equal(offsetOf(positionsOf(subscribed)['agent:a1']), 0)
    for (let n = 1; n <= 3; n++) await publish('agent:a1', n)
    const events = [await client.next(), await client.next(), await client.next()]
    t.same(events.map(({ pos, data }) => [offsetOf(pos), data]), [[1, 1], [2, 2], [3, 3]])
    t.equal(epochOf(events[0]?.['pos']), epochOf(positionsOf(subscribed)['agent:a1']), 'the epoch told with :0 is that of the first event')
    t.notOk(events.some(event => 'replayed' in event))
  })

  await t.test('who names a position gets all that came after it, in order, and then the live ones', async (t) => {
    const first = await open('agent_ids=a2')
    await first.nextOf('subscribed')
    for (let n = 1; n <= 100; n++) await publish('agent:a2', n)
    const pos = (await first.nextOf('event'))['pos']
    const client = await open()
    client.send({ type: 'subscribe', id: '1', agent_ids: ['a2'], since: { 'agent:a2': pos } })
    const subscribed = await client.nextOf('subscribed')
    t.same(subscribed['recovered'], { 'agent:a2': true })
    t.equal(offsetOf(positionsOf(subscribed)['agent:a2']), 100)
    await publish('agent:a2', 101)
    const events = []
    for (let n = 0; n < 100; n++) events.push(await client.next())
    t.same(events.map(({ data }) => data), Array.from({ length: 100 }, (_, n) => n + 2))
    t.same(events.map(({ pos }) => offsetOf(pos)), Array.from({ length: 100 }, (_, n) => n + 2))
    t.same(events.map(event => event['replayed'] === true), Array.from({ length: 100 }, (_, n) => n < 99))
  })

  await t.test('who is at the last position is told true; one that is ahead, of another epoch, or none, false', async (t) => {
    await publish('agent:a3', 1)
    const first = await open('agent_ids=a3')
    const pos = positionsOf(await first.nextOf('subscribed'))['agent:a3'] ?? ''
    t.equal(offsetOf(pos), 1)
    const cases: ReadonlyArray<readonly [string, boolean]> = [
      [pos, true], [pos.replace(/:1$/, ':0'), true], [pos.replace(/:1$/, ':2'), false], [`x${pos}`, false], ['', false], ['garbage', false], [`${'0'.repeat(24)}:1`, false]
    ]
    for (const [since, recovered] of cases) {
      const client = await open()
      client.send({ type: 'subscribe', agent_ids: ['a3'], since: { 'agent:a3': since } })
      t.same((await client.nextOf('subscribed'))['recovered'], { 'agent:a3': recovered }, since)
    }
  })

  await t.test('the newest events of a topic, as many as are wanted or there are', async (t) => {
    for (let n = 1; n <= 10; n++) await publish('task:t1', n)
    const client = await open()
    client.send({ type: 'subscribe', task_ids: ['t1', 't2'], last: 3 })
    const subscribed = await client.nextOf('subscribed')
    t.notOk('recovered' in subscribed)
    const events = [await client.next(), await client.next(), await client.next()]
    t.same(events.map(({ data, replayed }) => [data, replayed]), [[8, true], [9, true], [10, true]])
    const other = await open()
    other.send({ type: 'subscribe', task_ids: ['t1'], last: 200 })
    await other.nextOf('subscribed')
    for (let n = 1; n <= 10; n++) t.equal((await other.next())['data'], n)
    other.send({ type: 'subscribe', id: 'x', task_ids: ['t3'], last: 201 })
    t.match(await other.next(), { type: 'error', id: 'x', error: 'bad_request' })
  })

  await t.test('what makes no sense is refused, and is no malformed frame', async (t) => {
    const client = await open('agent_ids=a4')
    const pos = positionsOf(await client.nextOf('subscribed'))['agent:a4']
    const frames = [
      { agent_ids: ['a5'], since: { 'agent:a6': pos } }, { agent_ids: ['a5'], since: { 'task:a5': pos } }, { agent_ids: ['a5'], since: { 'user:alice': pos } },
      { agent_ids: ['a5'], since: { rubbish: pos } }, { agent_ids: ['a4'], since: { 'agent:a4': pos } }, { agent_ids: ['a4'], last: 1 },
      { agent_ids: ['a4', 'a5'], last: 1 }, { event_types: ['e'], since: { 'agent:a5': pos } }
    ]
    for (const [n, frame] of frames.entries()) {
      client.send({ type: 'subscribe', id: String(n), ...frame })
      t.match(await client.next(), { type: 'error', id: String(n), error: 'bad_request' }, JSON.stringify(frame))
    }
    client.send({ type: 'subscribe', id: 'y', agent_ids: ['a5'] })
    t.match(await client.next(), { type: 'subscribed', id: 'y' }, 'nothing of it was subscribed')
  })

  await t.test('with * a topic that is not visible any more is not recovered, and no refusal', async (t) => {
    const client = await open()
    client.send({ type: 'subscribe', agent_ids: '*', since: { 'agent:gone': 'x:1', 'agent:a1': 'x:1' } })
    const subscribed = await client.nextOf('subscribed')
    t.same(subscribed['recovered'], { 'agent:gone': false, 'agent:a1': false })
    t.notOk('agent:gone' in positionsOf(subscribed))
  })

  await t.test('the user\'s own topic: welcome names its position, and ?since= is answered there', async (t) => {
    const topic = 'user:bob'
    const first = await open('', 'bob')
    const start = positionsOf(first.welcome)[topic] ?? ''
    t.equal(offsetOf(start), 0)
    for (let n = 1; n <= 3; n++) await publish(topic, n)
    const live = [await first.next(), await first.next(), await first.next()]
    t.same(live.map(({ data, replayed }) => [data, replayed]), [[1, undefined], [2, undefined], [3, undefined]])
    first.socket.close()
    await first.closed
    await publish(topic, 4)
    const back = await open(`since=${start.replace(/:0$/, ':2')}`, 'bob')
    t.match(back.welcome, { recovered: true })
    t.equal(offsetOf(positionsOf(back.welcome)[topic]), 4)
    await publish(topic, 5)
    const events = [await back.next(), await back.next(), await back.next()]
    t.same(events.map(({ data, replayed }) => [data, replayed]), [[3, true], [4, true], [5, undefined]])
    for (const since of ['', 'x', `${start.split(':')[0] ?? ''}:99`]) {
      const lost = await open(`since=${since}`, 'bob')
      t.match(lost.welcome, { recovered: false }, since)
      t.equal(offsetOf(positionsOf(lost.welcome)[topic]), 5)
    }
  })

  await t.test('a replay waits for its client to read, and goes on from there', async (t) => {
    const topic = 'task:t5'
    const start = await open('task_ids=t5')
    const pos = positionsOf(await start.nextOf('subscribed'))[topic]
    const data = 'x'.repeat(8000)
    for (let n = 1; n <= 100; n++) await publish(topic, `${n} ${data}`)
    const slow = await open()
    slow.socket.pause()
    slow.send({ type: 'subscribe', task_ids: ['t5'], since: { [topic]: pos } })
    const other = await open()
    other.send({ type: 'subscribe', task_ids: ['t5'], since: { [topic]: pos } })
    await other.nextOf('subscribed')
    for (let n = 1; n <= 100; n++) await other.nextOf('event')
    await publish(topic, '101')
    slow.socket.resume()
    t.match(await slow.nextOf('subscribed'), { recovered: { [topic]: true } })
    const numbers = []
    for (let n = 1; n <= 101; n++) numbers.push(Number(String((await slow.next())['data']).split(' ')[0]))
    t.same(numbers, Array.from({ length: 101 }, (_, n) => n + 1), 'it was not ended as too slow, and has missed nothing')
  })

  await t.test('event types narrow what is replayed', async (t) => {
    for (let n = 1; n <= 6; n++) await publish('task:t6', n, n % 2 === 0 ? 'even' : 'odd')
    const client = await open('event_types=even')
    client.send({ type: 'subscribe', task_ids: ['t6'], last: 5 })
    await client.nextOf('subscribed')
    t.same([(await client.next())['data'], (await client.next())['data'], (await client.next())['data']], [2, 4, 6])
    await publish('task:t6', 8, 'even')
    t.equal((await client.next())['data'], 8)
  })

  await t.test('who leaves gets nothing more of what was being replayed', async (t) => {
    const client = await open()
    client.send({ type: 'subscribe', task_ids: ['t5'], last: 100 })
    client.send({ type: 'unsubscribe', task_ids: ['t5'] })
    await client.nextOf('unsubscribed')
    client.send({ type: 'ping', id: 'p' })
    t.match(await client.next(), { type: 'pong', id: 'p' })
  })
}

t.test('in one process without Redis', async (t) => { await testReceiving(t, { WS_MAX_BUFFERED_BYTES: '65536' }) })
t.test('the newest events are bounded by kind, also where a process holds more of them', async (t) => {
  const { open, publish } = await setUp(t, { WS_HISTORY_EVENTS: '5', WS_HISTORY_EVENTS_AGENT: '2', WS_HISTORY_EVENTS_TASK: '0' })
  const listener = await open('agent_ids=a1&task_ids=t1')
  await listener.nextOf('subscribed')
  for (const topic of ['agent:a1', 'task:t1']) {
    for (let n = 1; n <= 4; n++) await publish(topic, n)
    for (let n = 1; n <= 4; n++) t.match(await listener.next(), { topic, data: n })
  }
  const client = await open()
  client.send({ type: 'subscribe', id: '1', agent_ids: ['a1'], task_ids: ['t1'], last: 4 })
  await client.nextOf('subscribed')
  await publish('task:t1', 'the next')
  t.match([await client.next(), await client.next(), await client.next()], [{ data: 3, replayed: true }, { data: 4, replayed: true }, { topic: 'task:t1', data: 'the next' }])
  client.send({ type: 'subscribe', id: '2', agent_ids: ['a2'], last: 6 })
  t.match(await client.next(), { type: 'error', id: '2', error: 'bad_request' })
})
t.test('what is not kept is told false, also where a process holds it for another connection', async (t) => {
  const redis = await startRedis(t)
  for (const [where, env] of [['in memory', {}], ['on Redis', { REDIS_URL: redis.url }]] as const) {
    await t.test(where, async (t) => {
      const { open, publish } = await setUp(t, { ...env, WS_HISTORY_EVENTS_AGENT: '3', WS_HISTORY_EVENTS_TASK: '0', WS_HISTORY_EVENTS_USER: '0', WS_HISTORY_BYTES: '2000' })
      const listener = await open('agent_ids=a1,a2&task_ids=t1')
      await listener.nextOf('subscribed')
      for (let n = 1; n <= 10; n++) await publish('agent:a1', n)
      for (const data of [1, 'x'.repeat(3000), 3]) await publish('agent:a2', data)
      for (const topic of ['task:t1', 'user:alice']) for (const data of [1, 2]) await publish(topic, data)
      const had: Frame[] = []
      for (let n = 0; n < 17; n++) had.push(await listener.next())
      const positions = (topic: string): unknown[] => had.filter(event => event['topic'] === topic).map(({ pos }) => pos)
      for (const [topic, filter, expected] of [
        // The store removes by number five at a time: what it keeps beyond may be given.
        ['agent:a1', { agent_ids: ['a1'] }, [false, false, null, null, null, null, true, true, true, true]],
        ['agent:a2', { agent_ids: ['a2'] }, [false, true, true]],
        ['task:t1', { task_ids: ['t1'] }, [false, true]]
      ] as const) {
        const told: unknown[] = []
        for (const pos of positions(topic)) {
          const client = await open()
          client.send({ type: 'subscribe', ...filter, since: { [topic]: pos } })
          told.push((await client.nextOf('subscribed'))['recovered'])
        }
        t.same(told, expected.map((isKept, n) => isKept === null ? told[n] : { [topic]: isKept }))
      }
      const own = positions('user:alice').map(async pos => (await open(`since=${pos}`)).welcome['recovered'])
      t.same(await Promise.all(own), [false, true])
    })
  }
})

t.test('a store that was emptied is believed, though nothing was published since', async (t) => {
  const redis = await startRedis(t)
  const { open, publish } = await setUp(t, { REDIS_URL: redis.url })
  const listener = await open('agent_ids=a1')
  await listener.nextOf('subscribed')
  await publish('agent:a1', 1)
  await publish('agent:a1', 2)
  const { pos } = await listener.nextOf('event')
  await redis.client.flushall()
  const client = await open()
  client.send({ type: 'subscribe', agent_ids: ['a1'], since: { 'agent:a1': pos } })
  const subscribed = await client.nextOf('subscribed')
  t.same(subscribed['recovered'], { 'agent:a1': false })
  t.not(epochOf(positionsOf(subscribed)['agent:a1']), epochOf(pos))
  let gap = await listener.nextOf('gap')
  // Of the user's own topic it is told by itself.
  while (!Object.hasOwn(gap['topics'] as object, 'agent:a1')) gap = await listener.nextOf('gap')
  t.match(gap, { topics: { 'agent:a1': /:0$/ } })
})

t.test('on one Redis', async (t) => {
  const redis = await startRedis(t)
  await testReceiving(t, { REDIS_URL: redis.url, WS_MAX_BUFFERED_BYTES: '65536' })
})

t.test('on a cluster', async (t) => {
  const cluster = await startRedisCluster(t)
  await testReceiving(t, { REDIS_CLUSTER_URLS: cluster.urls.join() })
})
