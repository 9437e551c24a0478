import t, { type Test } from 'tap'
import { connect, freshAddress, type Frame, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis, startRedisCluster, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'

interface Process {
  readonly gateway: TestGateway
  open (user: string): Promise<TestClient & { readonly welcome: Frame }>
  publish (topic: string, data: unknown): Promise<string>
}

async function startProcesses (t: Test, count: number, env: Readonly<Record<string, string>>): Promise<Process[]> {
  const issuer = await startIssuer(t)
  return await Promise.all(Array.from({ length: count }, async (): Promise<Process> => {
    const gateway = await startGateway(t, { ...trust(issuer), PUBLISH_KEY, WS_USER_CONNECTIONS: '1000', ...env })
    return {
      gateway,
      async open (user) {
        const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: user })}`, { from: freshAddress() })
        return Object.assign(client, { welcome: await client.nextOf('welcome') })
      },
      async publish (topic, data) {
        const headers = { 'X-Publish-Key': PUBLISH_KEY, 'Content-Type': 'application/json' }
        const response = await gateway.admin('/v1/publish', { method: 'POST', headers, body: JSON.stringify({ topic, event: 'e', data }) })
        return String((await response.json() as { pos?: string }).pos)
      }
    }
  }))
}

function ownPosition ({ welcome }: { welcome: Frame }, user: string): string {
  return (welcome['positions'] as Record<string, string>)[`user:${user}`] ?? ''
}
const offsetOf = (pos: unknown): number => Number(String(pos).split(':')[1])
const userChannels = async ({ client }: TestRedis): Promise<unknown> => await client.pubsub('CHANNELS', '*ws:topic:user:*')
/** How often a command has been called. */
async function countCalls ({ client }: TestRedis, command: string): Promise<number> {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await client.info('commandstats'))?.[1] ?? 0)
}

t.test('nobody is subscribed to for a user who connects, and events reach all her connections in all processes, and nobody else', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = await startProcesses(t, 2, { REDIS_URL: redis.url }) as [Process, Process]
  const subscribed = await countCalls(redis, 'subscribe')
  // One whose id is spelled in another way in a channel.
  for (const user of ['alice', 'kc:é|%']) {
    const clients = [await one.open(user), await one.open(user), await other.open(user)]
    const bob = await other.open(`not ${user}`)
    const topic = `user:${user}`
    for (let n = 1; n <= 20; n++) t.equal(offsetOf(await (n % 2 === 0 ? one : other).publish(topic, n)), n)
    for (const client of clients) {
      t.equal(offsetOf(ownPosition(client, user)), 0)
      const events = []
      for (let n = 1; n <= 20; n++) events.push(await client.next())
      t.same(events.map(event => [event['data'], offsetOf(event['pos'])]), Array.from({ length: 20 }, (_, n) => [n + 1, n + 1]))
    }
    bob.send({ type: 'ping', id: 'p' })
    t.match(await bob.next(), { type: 'pong' }, 'nothing of another user came')
    const late = await one.open(user)
    t.equal(offsetOf(ownPosition(late, user)), 20)
    await other.publish(topic, 'late')
    t.match(await late.next(), { type: 'event', data: 'late' })
  }
  t.same(await userChannels(redis), [])
  t.ok(await countCalls(redis, 'subscribe') - subscribed <= 2, 'a process has subscribed once, to its own channel')
})

t.test('what is published while a user connects is in the position of her welcome, or follows: none is missed and none comes twice', async (t) => {
  const redis = await startRedis(t)
  const [{ open, publish }] = await startProcesses(t, 1, { REDIS_URL: redis.url }) as [Process]
  const over = new AbortController()
  const publishing = (async () => {
    let last = 0
    while (!over.signal.aborted) last = offsetOf(await publish('user:alice', 'x'))
    return last
  })()
  const clients = []
  for (let n = 0; n < 60; n++) clients.push(await open('alice'))
  over.abort()
  const last = await publishing
  for (const client of clients) {
    const first = offsetOf(ownPosition(client, 'alice')) + 1
    const offsets = []
    for (let offset = first; offset <= last; offset++) offsets.push(offsetOf((await client.next())['pos']))
    t.same(offsets, Array.from({ length: last - first + 1 }, (_, n) => first + n))
  }
})

t.test('a process whose note is lost, or whose channel was cut, gets what it missed, in order', async (t) => {
  const redis = await startRedis(t)
  const [{ open, publish }] = await startProcesses(t, 1, { REDIS_URL: redis.url }) as [Process]
  const alice = await open('alice')
  await publish('user:alice', 1)
  t.match(await alice.next(), { data: 1 })
  const [note = ''] = await redis.client.keys('*:at')
  t.ok(note.endsWith('}:at') && await redis.client.pttl(note) > 60_000, note)
  await redis.client.del(note)
  await publish('user:alice', 2)
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  t.match(await alice.next(), { data: 2 }, 'it is noted again with the first question after the channel came back')
  await until('it is noted', async () => await redis.client.exists(note) === 1)
  await publish('user:alice', 3)
  t.match(await alice.next(), { data: 3 })
})

t.test('with WS_PLAIN_USER_PUBLISH each user is subscribed to, and a plain PUBLISH is heard', async (t) => {
  const redis = await startRedis(t)
  const [{ open, publish }] = await startProcesses(t, 1, { REDIS_URL: redis.url, WS_PLAIN_USER_PUBLISH: 'true' }) as [Process]
  const alice = await open('alice')
  await until('it is subscribed', async () => JSON.stringify(await userChannels(redis)) === '["ws:topic:user:alice"]')
  await redis.client.publish('ws:topic:user:alice', '{"event":"plain","data":1}')
  t.match(await alice.next(), { event: 'plain', data: 1 })
  await publish('user:alice', 2)
  t.match(await alice.next(), { data: 2 })
  t.same(await redis.client.keys('*:at'), [], 'it notes nothing')
})

t.test('on a cluster the user\'s channel stays, and a plain PUBLISH is heard', async (t) => {
  const cluster = await startRedisCluster(t)
  const [{ open, publish }] = await startProcesses(t, 1, { REDIS_CLUSTER_URLS: cluster.urls.join() }) as [Process]
  const alice = await open('alice')
  await publish('user:alice', 1)
  t.match(await alice.next(), { data: 1 })
  t.same((await Promise.all(cluster.nodes.map(async ({ client }) => await client.keys('*:at')))).flat(), [])
})

t.test('processes that are gone are forgotten by who publishes', async (t) => {
  const redis = await startRedis(t)
  const [{ open, publish }] = await startProcesses(t, 1, { REDIS_URL: redis.url }) as [Process]
  const alice = await open('alice')
  const [note = ''] = await redis.client.keys('*:at')
  await redis.client.hset(note, 'gone', Date.now() - 1)
  await publish('user:alice', 1)
  t.match(await alice.next(), { data: 1 })
  t.equal(await redis.client.hlen(note), 1)
})

t.test('where the process cannot note itself, the user\'s own channel is heard, and no event comes twice', async (t) => {
  const redis = await startRedis(t)
  // Of the build before: it knows nothing of the history.
  const keys = ['~ws:node*', '~ws:ratelimit*', '~*ws:control*', '~*ws:revocations*', '~*ws:bans*', '~ws:resume*', '~ws:topic*']
  await redis.client.call('ACL', 'SETUSER', 'before', 'on', '>secret', ...keys, '&*', '+@all')
  await redis.client.set('ws:history:{ws:topic:user:alice}:at', 'foreign')
  for (const url of [redis.url.replace('redis://', 'redis://before:secret@'), redis.url]) {
    const [{ open }] = await startProcesses(t, 1, { REDIS_URL: url }) as [Process]
    const alice = await open('alice')
    await until('it is subscribed', async () => JSON.stringify(await userChannels(redis)) === '["ws:topic:user:alice"]')
    await redis.client.publish('ws:topic:user:alice', '{"event":"e","data":1}')
    t.match(await alice.next(), { event: 'e', data: 1 })
    alice.socket.close()
    await until('it is left', async () => JSON.stringify(await userChannels(redis)) === '[]')
  }
})
