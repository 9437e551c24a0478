import t from 'tap'
import type { InboundBounds, InboundMessage } from '../../src/bus/inbound.js'
import { createMemoryInbound } from '../../src/bus/memory-inbound.js'
import { createRedisInbound } from '../../src/bus/redis-inbound.js'
import { JsonText } from '../../src/wire/json-text.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { openClient, openClusterClient } from './clients.js'
import { HANG_MS } from '../support/until.js'

const message = (data: unknown, userId = 'kc:al ice'): InboundMessage =>
  ({ connectionId: 'c1', userId, to: 'agent:a1', data: JsonText.from(data), ts: new Date('2026-01-02T03:04:05.678Z') })
const bounds = (maxEntries: number, more: Partial<InboundBounds> = {}): InboundBounds => ({ maxEntries, maxBytes: 1e9, maxUserBytes: 1e9, ...more })

t.test('a message is stored in the stream with all that the back end needs', async (t) => {
  const redis = await startRedis(t)
  const inbound = createRedisInbound({ client: await openClient(t, redis), prefix: 'p:', bounds: bounds(10) })
  const data = { text: 'é"\n\0', list: [1, null] }
  t.equal(await inbound.append(message(data)), 'stored')
  t.match(await redis.client.xrange('p:ws:inbound', '-', '+'), [[/^\d+-\d+$/, [
    'connection_id', 'c1', 'user_id', 'kc:al ice', 'to', 'agent:a1', 'data', JSON.stringify(data), 'ts', '2026-01-02T03:04:05.678Z'
  ]]])
})

t.test('at its bound the stream refuses and nothing is trimmed; what the back end deletes makes room', async (t) => {
  const redis = await startRedis(t)
  const client = await openClient(t, redis)
  const inbound = createRedisInbound({ client, prefix: '', bounds: bounds(5) })
  const outcomes = await Promise.all(Array.from({ length: 20 }, async (_, n) => await inbound.append(message(n))))
  t.same(outcomes, [...Array(5).fill('stored'), ...Array(15).fill('full')])
  const entries = await redis.client.xrange('ws:inbound', '-', '+')
  t.same(entries.map(([, fields]) => fields[7]), ['0', '1', '2', '3', '4'])
  await redis.client.xdel('ws:inbound', entries[0]?.[0] ?? '')
  await redis.client.script('FLUSH')
  t.equal(await inbound.append(message('after')), 'stored')
  t.equal(await inbound.append(message('over')), 'full')
})

t.test('it works on a cluster', async (t) => {
  const cluster = await startRedisCluster(t)
  const inbound = createRedisInbound({ client: await openClusterClient(t, cluster), prefix: '', bounds: bounds(1), timeoutMs: HANG_MS })
  t.same([await inbound.append(message(1)), await inbound.append(message(2))], ['stored', 'full'])
})

t.test('while Redis hangs or is away, a message is rejected in time', async (t) => {
  const redis = await startRedis(t)
  const inbound = createRedisInbound({ client: await openClient(t, redis), prefix: '', bounds: bounds(5), timeoutMs: 200 })
  redis.pause()
  await t.rejects(inbound.append(message(1)), /took longer than 200 ms/)
  redis.resume()
  await redis.stop()
  await t.rejects(inbound.append(message(2)))
  inbound.close()
  await t.rejects(inbound.append(message(3)), /closed/)
})

t.test('in memory a message is stored when its taker is done with it, and refused while the taker has too many', async (t) => {
  const taken: unknown[] = []
  const releases: (() => void)[] = []
  const inbound = createMemoryInbound({
    bounds: bounds(2),
    onMessage: async ({ data }) => {
      taken.push(data.toJSON())
      await new Promise<void>((resolve) => { releases.push(resolve) })
    }
  })
  const first = inbound.append(message(1))
  const second = inbound.append(message(2))
  t.equal(await inbound.append(message(3)), 'full')
  for (const release of releases) release()
  t.same(await Promise.all([first, second]), ['stored', 'stored'])
  const fourth = inbound.append(message(4))
  releases.at(-1)?.()
  t.equal(await fourth, 'stored')
  t.same(taken, [1, 2, 4])
  inbound.close()
  await t.rejects(inbound.append(message(5)), /closed/)
})

t.test('in memory a taker that fails frees its place and fails that message', async (t) => {
  const inbound = createMemoryInbound({ bounds: bounds(1), onMessage: () => { throw new Error('taker failed') } })
  await t.rejects(inbound.append(message(1)), /taker failed/)
  await t.rejects(inbound.append(message(2)), /taker failed/)
})
