import t, { type Test } from 'tap'
import { createRedisBus } from '../../src/bus/redis-bus.js'
import { createRedisInbound } from '../../src/bus/redis-inbound.js'
import { createRedisLimiter } from '../../src/limits/redis/limiter.js'
import { createRedisStrikes } from '../../src/limits/strikes/counters.js'
import { connectRedis, type RedisConnection } from '../../src/redis/connect.js'
import { SETTINGS } from '../limits/limiter-conformance.js'
import { startRedis, startRedisCluster, type TestRedis } from '../support/redis.js'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js'
import { HANG_MS, until } from '../support/until.js'

const ADDRESS = '192.0.2.7'

/** A write of the project that would do harm if it happened twice. The others are made to be the same however often they happen. */
interface Write {
  /** Stands in the request. */
  readonly marker: string
  readonly run: () => Promise<unknown>
  /** How often it has happened. */
  readonly count: () => Promise<number>
}

/** Asks the node that has the key, beside the connection that is tested. */
type Ask = (command: string, key: string, ...rest: string[]) => Promise<unknown>

async function listWrites (t: Test, { commands: client }: RedisConnection, ask: Ask): Promise<Record<string, Write>> {
  let heard = 0
  const bus = createRedisBus({ client, prefix: '', onEvent: () => { heard++ }, timeoutMs: HANG_MS })
  const inbound = createRedisInbound({ client, prefix: '', maxEntries: 100, timeoutMs: HANG_MS })
  const limiter = createRedisLimiter(client, SETTINGS, { prefix: '', callTimeoutMs: HANG_MS })
  const strikes = createRedisStrikes(client, '', { banAfter: 100, windowMs: 60_000 })
  t.teardown(async () => { await Promise.all([bus.close(), limiter.close()]) })
  await bus.subscribe('agent:a1')
  return {
    'an event': {
      marker: 'ws:topic:agent:a1',
      run: async () => { await bus.publish('agent:a1', { event: 'e', data: 1 }) },
      count: async () => heard
    },
    'a client\'s message': {
      marker: 'ws:inbound',
      run: async () => await inbound.append({ connectionId: 'c', userId: 'u', to: 'agent:a1', data: 1, ts: new Date() }),
      count: async () => Number(await ask('XLEN', 'ws:inbound'))
    },
    'an attempt': {
      marker: ADDRESS,
      run: async () => await limiter.admit({ address: ADDRESS, lease: null }),
      count: async () => Number(await ask('LLEN', `ws:ratelimit:ip:${ADDRESS}`))
    },
    'a grant of messages': {
      marker: ADDRESS,
      run: async () => await limiter.takeGrant({ address: ADDRESS, demand: 1, spare: 0 }, []),
      count: async () => Number(await ask('ZCARD', `ws:ratelimit:msg:${ADDRESS}`))
    },
    'a strike': {
      marker: ADDRESS,
      run: async () => await strikes(new Map([[ADDRESS, 1]])),
      count: async () => Number(await ask('HGET', `ws:strikes:${ADDRESS}`, 'sum'))
    }
  }
}

async function expectOnce (t: Test, proxies: readonly TcpProxy[], urls: Parameters<typeof connectRedis>[0], ask: Ask): Promise<void> {
  const connection = connectRedis(urls)
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  for (const [name, { marker, run, count }] of Object.entries(await listWrites(t, connection, ask))) {
    // Its script is known to Redis afterwards: what is lost below is the answer to the script itself.
    await run()
    await until('the first has happened', async () => await count() > 0)
    const before = await count()
    for (const proxy of proxies) proxy.loseAnswerTo(marker)
    await t.rejects(run(), `${name}: its caller is told`)
    t.equal(proxies.filter(proxy => proxy.lost()).length, 1, `${name}: it arrived`)
    for (const proxy of proxies) proxy.loseAnswerTo('nothing like this')
    await until('the connection is back', async () => await run().then(() => true, () => false))
    await until('the next has happened', async () => await count() >= before + 2)
    t.equal(await count() - before, 2, `${name}: it happened once, and so did the next`)
  }
}

t.test('a single Redis whose answer is lost is not asked again', async (t) => {
  const redis = await startRedis(t)
  const proxy = await startTcpProxy(t, redis.port)
  await expectOnce(t, [proxy], { url: `redis://127.0.0.1:${proxy.port}` }, async (command, ...rest) => await redis.client.call(command, ...rest))
})

/** Has the nodes tell clients of these ports instead of their own. */
async function announce (nodes: readonly TestRedis[], proxies: readonly TcpProxy[]): Promise<void> {
  for (const [i, { client }] of nodes.entries()) await client.config('SET', 'cluster-announce-port', proxies[i]?.port ?? 0)
  for (const { client } of nodes) {
    await until('all know the ports', async () => {
      const known = String(await client.call('CLUSTER', 'NODES'))
      return proxies.every(({ port }) => known.includes(`:${port}@`))
    })
  }
}

t.test('a node of a cluster whose answer is lost is not asked again', async (t) => {
  const { nodes } = await startRedisCluster(t)
  const proxies = await Promise.all(nodes.map(async ({ port }) => await startTcpProxy(t, port)))
  await announce(nodes, proxies)
  await expectOnce(t, proxies, { clusterUrls: proxies.map(({ port }) => `redis://127.0.0.1:${port}`) }, async (command, ...rest) => {
    const answers = await Promise.allSettled(nodes.map(async ({ client }) => await client.call(command, ...rest)))
    return answers.find(answer => answer.status === 'fulfilled')?.value
  })
})
