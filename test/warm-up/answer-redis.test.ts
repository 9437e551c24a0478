import t from 'tap'
import { Redis } from '#ioredis'
import type { Limiter } from '../../src/limits/limiter.js'
import { createRedisLimiter } from '../../src/limits/redis/limiter.js'
import { createRedisHistory, type HistoryClient } from '../../src/history/redis-history.js'
import { createNodeStore } from '../../src/nodes/node-store.js'
import { answerRedis } from '../../src/warm-up/answer-redis.js'
import { EMPTY_HEAD, MISSED_WISH } from '../../src/warm-up/missed-events.js'
import { openStandIn } from '../../src/warm-up/stand-in.js'
import { JsonText } from '../../src/wire/json-text.js'
import { SETTINGS } from '../limits/limiter-conformance.js'
import { startRedis } from '../support/redis.js'

/** What is in a value, its values left out: a position is whose it may be, a time is when it is. */
function shapeOf (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shapeOf(member)]))
  return typeof value === 'number' || typeof value === 'string' ? typeof value : value
}

const HISTORY = { events: new Map([['user', 200]]), keepMs: 300_000, maxBytes: 1_048_576, metaMs: 86_400_000 }
/** As connections are called: ten hex digits, a dash, a number. */
const BOOT = 'b0c1d2e3f4'

async function askLimits (limiter: Limiter): Promise<unknown> {
  const lease = (n: number) => ({ owner: `u${n}`, connectionId: `${BOOT}-${n}`, record: '{"a":1}' })
  const own = (n: number) => ({ topic: `user:u${n}`, since: null, touch: true })
  const address = '192.0.2.1'
  const first = await Promise.all([
    limiter.admit({ address, lease: null }),
    limiter.admit({ address: null, lease: lease(1) }),
    limiter.admit({ address, lease: lease(2) }),
    limiter.admit({ address, lease: lease(3), own: own(3) }),
    limiter.admit({ address: null, lease: lease(4), own: own(4) }),
    limiter.admit({ address, resume: { nonce: 'n', ttlMs: 1000 }, lease: lease(5), own: own(5) })
  ])
  // With releases before them, in the same call.
  limiter.release(lease(1))
  limiter.release(lease(3))
  const second = await Promise.all([limiter.admit({ address, lease: lease(6), own: own(6) }), limiter.admit({ address, lease: lease(7) })])
  limiter.release(lease(2))
  const grant = await limiter.takeGrant({ address, demand: 1, spare: 3 }, [])
  await limiter.close()
  return { first, second, grant }
}

t.test('the stand-in answers what a gateway asks as a Redis does, in the same shape', async (t) => {
  const redis = await startRedis(t)
  const standIn = new Redis(await openStandIn(), '127.0.0.1')
  t.teardown(() => { standIn.disconnect() })
  const [real, acted] = await Promise.all([redis.client, standIn].map(async (client) => {
    const failures: unknown[] = []
    const limits = await askLimits(createRedisLimiter(client, SETTINGS, {
      prefix: 'p:',
      records: { prefix: 'p:', node: 'n-1-a1b2c3', mayRestore: () => true },
      history: { prefix: 'p:', process: 'n-1-a1b2c3', settings: HISTORY },
      onFailure: (error) => { failures.push(error) }
    }))
    const store = createNodeStore({ client, prefix: 'p:', node: 'n', leaseMs: 30_000, timeoutMs: 1000 })
    await store.beat()
    // The stand-in knows no first one.
    return { limits, failures, beat: await store.beat() }
  }))
  t.same(shapeOf(acted), shapeOf(real))
  t.same(acted?.failures, [])
})

/** What was missed of the topic that the visitors ask for, as a history tells it; with `publish` it is published before. */
async function askMissed (client: HistoryClient, topic: string, publish: boolean): Promise<unknown> {
  const history = createRedisHistory({ client, prefix: 'p:', settings: { ...HISTORY, events: new Map([['agent', 200]]) } })
  const event = { topic, event: 'message', data: JsonText.from({ text: 'stand-in' }), id: null }
  if (publish) for (let n = 0; n < 4; n++) await history.publish([event])
  const [head] = await history.readHeads([{ topic, since: null, touch: false }])
  const epoch = head?.status === 'fulfilled' ? head.value.epoch : ''
  const heads = await history.readHeads([{ topic, since: { epoch, offset: 0 }, touch: true }])
  const { events, ...slice } = await history.readEvents(topic, { epoch, from: 1, to: 4 })
  history.close()
  return [heads, slice, events.map(({ offset, payload }) => ({ offset, payload: JSON.parse(payload.toString()) as unknown }))]
}

t.test('what the visitors ask for is there, as a Redis has it', async (t) => {
  const redis = await startRedis(t)
  const standIn = new Redis(await openStandIn(), '127.0.0.1')
  t.teardown(() => { standIn.disconnect() })
  const { since } = JSON.parse(MISSED_WISH) as { since: Record<string, string> }
  const topic = Object.keys(since).join()
  const clients = [redis.client, standIn].map(client => Object.assign(client, { isCluster: false }))
  const [real, acted] = await Promise.all(clients.map(async (client, n) => await askMissed(client, topic, n === 0)))
  t.same(shapeOf(acted), shapeOf(real))
  const offsets = [{ offset: 1 }, { offset: 2 }, { offset: 3 }, { offset: 4 }]
  t.match(acted, [[{ value: { top: 4, isKept: true } }], { head: { top: 4 } }, offsets])
})

t.test('an attempt is told from a release and from a name, and each gets an answer of its own', async (t) => {
  const ask = (...args: string[]): string => answerRedis(['evalsha', 'x', '0', ...args], 0)
  t.equal(ask(`${BOOT}-1 ${BOOT}-2`, 'n-1-a1b2c3', 'a', `u${BOOT}-1`, `b${BOOT}-2 {}`), '*3\r\n:0\r\n:0\r\n:0\r\n')
  t.equal(ask('', '', `c${BOOT}-1`), `*1\r\n$${EMPTY_HEAD.length + 1}\r\n=${EMPTY_HEAD}\r\n`)
  t.equal(ask('', ''), '*0\r\n', 'nobody tries: an empty list')
})
