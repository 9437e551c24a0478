import t, { type Test } from 'tap'
import type { Inbound, InboundBounds, InboundMessage } from '../../src/bus/inbound.js'
import { inboundCost } from '../../src/bus/inbound-cost.js'
import { createMemoryInbound } from '../../src/bus/memory-inbound.js'
import { createRedisInbound } from '../../src/bus/redis-inbound.js'
import { MIN_INBOUND_BYTES } from '../../src/config/settings.js'
import { JsonText } from '../../src/wire/json-text.js'
import { createRandom } from '../attacks/random.js'
import { startRedis, startRedisCluster, type TestRedis } from '../support/redis.js'
import { SPELLINGS } from './bus-conformance.js'
import { openClient, openClusterClient } from './clients.js'
import { HANG_MS } from '../support/until.js'

const message = (data: unknown, userId = 'kc:al ice'): InboundMessage =>
  ({ connectionId: 'c1', userId, to: 'agent:a1', data: JsonText.from(data), ts: new Date('2026-01-02T03:04:05.678Z') })
const bounds = (maxEntries: number, more: Partial<InboundBounds> = {}): InboundBounds =>
  ({ maxEntries, maxBytes: 1e9, maxUserBytes: 1e9, ...more })

t.test('a message is stored in the stream with all that the back end needs', async (t) => {
  const redis = await startRedis(t)
  const inbound = createRedisInbound({ client: await openClient(t, redis), prefix: 'p:', bounds: bounds(10) })
  const data = { text: 'é"\n\0', list: [1, null] }
  t.equal(await inbound.append(message(data)), 'stored')
  t.match(await redis.client.xrange('p:ws:inbound', '-', '+'), [[/^\d+-\d+$/, [
    'connection_id', 'c1', 'user_id', 'kc:al ice', 'to', 'agent:a1', 'data', JSON.stringify(data), 'ts', '2026-01-02T03:04:05.678Z'
  ]]])
})

t.test('data goes into the stream byte for byte, and the frame\'s id and trace go with it', async (t) => {
  const { inbound, redis } = await openBounded(t, {})
  for (const text of SPELLINGS) t.equal(await inbound.append({ ...message(0), data: JsonText.parse(text) }), 'stored')
  await inbound.append({ ...message(1), id: '7', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
  const entries = (await redis.client.xrange('p:ws:inbound', '-', '+')).map(([, fields]) => fields)
  t.same(entries.slice(0, -1).map(fields => fields[7]), SPELLINGS)
  t.same(entries.at(-1)?.slice(10), ['id', '7', 'traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'])
})

t.test('the least room that settings may give takes the message with the longest ids', async (t) => {
  const longest = {
    ...message(0, `${'i'.repeat(32)}:${'€'.repeat(256)}`), connectionId: 'c'.repeat(36), to: `agent:${'a'.repeat(128)}`, id: '€'.repeat(64), traceparent: 't'.repeat(55)
  }
  t.ok(inboundCost(longest) <= MIN_INBOUND_BYTES, `${inboundCost(longest)}`)
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

/** A message whose data has this many bytes: 400 or more, so that they are what it counts. */
const ofBytes = (bytes: number, userId?: string): InboundMessage => message('x'.repeat(bytes - 2), userId)

interface Bounded {
  readonly inbound: Inbound
  readonly redis: TestRedis
  append (bytes: number, userId?: string): Promise<string>
  waiting (): Promise<string[]>
}

async function openBounded (t: Test, more: Partial<InboundBounds>, onUncounted = (): void => {}): Promise<Bounded> {
  const redis = await startRedis(t)
  const inbound = createRedisInbound({ client: await openClient(t, redis), prefix: 'p:', bounds: bounds(1000, more), onUncounted, timeoutMs: HANG_MS })
  return {
    inbound,
    redis,
    append: async (bytes, userId) => await inbound.append(ofBytes(bytes, userId)),
    waiting: async () => (await redis.client.xrange('p:ws:inbound', '-', '+')).map(([id]) => id)
  }
}

t.test('what waits is bounded in bytes, of one user and of all, to the byte', async (t) => {
  const { append, waiting, redis } = await openBounded(t, { maxBytes: 10000, maxUserBytes: 4000 })
  t.same([await append(3000, 'a'), await append(1001, 'a'), await append(1000, 'a'), await append(400, 'a')], ['stored', 'user_full', 'stored', 'user_full'])
  t.same([await append(4000, 'b'), await append(2001, 'c'), await append(2000, 'c'), await append(400, 'd')], ['stored', 'full', 'stored', 'full'])
  t.equal((await waiting()).length, 4, 'what is refused leaves nothing')
  const keys = (await redis.client.keys('*')).filter(key => key !== 'p:ws:inbound')
  t.same(keys.sort(), ['', ':a', ':b', ':c'].map(user => `{p:ws:inbound}:bytes${user}`))
  const ends = await Promise.all(keys.map(async key => await redis.client.pttl(key)))
  t.ok(ends.every(end => end > 29 * 86_400_000), 'each count has an end, which is later than that of any entry that is read')
})

t.test('what the back end has handled makes room at once; what it deletes out of order counts until the older ones are gone', async (t) => {
  const { append, waiting, redis } = await openBounded(t, { maxBytes: 10000, maxUserBytes: 5000 })
  const remove = async (...ids: Array<string | undefined>): Promise<void> => { await redis.client.xdel('p:ws:inbound', ...ids.map(String)) }
  for (const user of ['a', 'b', 'a', 'b']) t.equal(await append(2500, user), 'stored')
  t.equal(await append(400, 'c'), 'full')
  const [first, second, third] = await waiting()
  await remove(second, third)
  t.same([await append(400, 'c'), await append(400, 'a')], ['full', 'full'])
  await remove(first)
  t.same([await append(5000, 'a'), await append(2501, 'b'), await append(2500, 'b'), await append(400, 'c')], ['stored', 'full', 'stored', 'full'])
  await redis.client.xtrim('p:ws:inbound', 'MAXLEN', 1)
  t.same([await append(2501, 'b'), await append(2500, 'b'), await append(5000, 'a')], ['user_full', 'stored', 'stored'], 'trimmed')
  await redis.client.xtrim('p:ws:inbound', 'MAXLEN', 0)
  t.same([await append(5000, 'b'), await append(5000, 'a'), await append(400, 'c')], ['stored', 'stored', 'full'], 'emptied')
})

t.test('the counts follow the stream over any history of adding and deleting, and stay small', async (t) => {
  const { append, waiting, redis } = await openBounded(t, { maxBytes: 10_000, maxUserBytes: 4000 })
  const random = createRandom(5)
  // What is in the stream or was deleted behind an entry that still is: [id, user, bytes], oldest first.
  let model: Array<readonly [string, string, number]> = []
  const wrong: string[] = []
  for (let step = 0; step < 1500; step++) {
    if (random.chance(0.35)) {
      const ids = await waiting()
      for (const id of random.chance(0.5) ? ids.slice(0, random.below(8)) : [random.pick([...ids, '1-1'])]) await redis.client.xdel('p:ws:inbound', id)
    }
    const alive = await waiting()
    const oldest = model.findIndex(([id]) => id === alive[0])
    model = oldest === -1 ? [] : model.slice(oldest)
    const [user, bytes] = [random.pick(['a', 'b', 'c', 'd']), 400 + random.below(700)]
    const sum = (of: (who: string) => boolean): number =>
      model.filter(([, who]) => of(who)).reduce((total, [, , more]) => total + more, bytes)
    const expected = sum(() => true) > 10_000 ? 'full' : sum(who => who === user) > 4000 ? 'user_full' : 'stored'
    const outcome = await append(bytes, user)
    if (outcome !== expected) wrong.push(`${step}: ${outcome} in place of ${expected}`)
    if (outcome === 'stored') model.push([(await waiting()).at(-1) ?? '', user, bytes])
  }
  t.same(wrong, [])
  t.ok(await redis.client.llen('{p:ws:inbound}:bytes') < 300, 'what is handled is forgotten')
})

t.test('a process of the build before, which counts nothing, changes no count', async (t) => {
  const { append, waiting, redis } = await openBounded(t, { maxBytes: 10000, maxUserBytes: 3000 })
  const appendUncounted = async (): Promise<void> => { await redis.client.xadd('p:ws:inbound', '*', 'connection_id', 'c', 'user_id', 'a', 'to', 'agent:a', 'data', '"x"', 'ts', 't') }
  await appendUncounted()
  t.same([await append(3000, 'a'), await append(400, 'a')], ['stored', 'user_full'])
  await appendUncounted()
  const [first, second] = await waiting()
  await redis.client.xdel('p:ws:inbound', String(first), String(second))
  t.same([await append(3000, 'a'), await append(400, 'a')], ['stored', 'user_full'], 'its entry is the oldest now')
})

t.test('counts that hold something else, or that must not be used, cost no message, and are told', async (t) => {
  let uncounted = 0
  const { append, redis } = await openBounded(t, { maxBytes: 10000, maxUserBytes: 3000 }, () => { uncounted++ })
  await redis.client.set('{p:ws:inbound}:bytes:a', 'theirs')
  await redis.client.rpush('{p:ws:inbound}:bytes:b', 'theirs', 'too')
  t.same([await append(4000, 'a'), await append(4000, 'b')], ['stored', 'stored'])
  t.equal(uncounted, 2)
  t.equal(await append(3000, 'c'), 'full', 'the other bound holds')
  t.same([await redis.client.get('{p:ws:inbound}:bytes:a'), await redis.client.lrange('{p:ws:inbound}:bytes:b', 0, -1)], ['theirs', ['theirs', 'too']])
  await redis.client.call('ACL', 'SETUSER', 'default', '-lindex', '-rpush', '-xrange')
  for (let n = 0; n < 5; n++) t.equal(await append(4000, 'd'), 'stored')
  t.equal(uncounted, 7)
})

/** What 100,000 messages of 20 bytes leave, without sending each. */
const FILL = `for n = 0, 99999 do
  local item = string.format('%s %d %d', redis.call('XADD', KEYS[1], '*', 'data', '""'), n * 20, n * 20 + 20)
  redis.call('RPUSH', KEYS[2], item)
  redis.call('RPUSH', KEYS[3], item)
end`

t.test('a flood of entries that were handled at once holds up nobody', async (t) => {
  const { append, redis } = await openBounded(t, { maxEntries: 200_000, maxUserBytes: 2_000_000 })
  await redis.client.eval(FILL, 3, 'p:ws:inbound', '{p:ws:inbound}:bytes', '{p:ws:inbound}:bytes:a')
  t.equal(await append(400, 'a'), 'user_full')
  await redis.client.xtrim('p:ws:inbound', 'MAXLEN', 1)
  await redis.client.call('CONFIG', 'RESETSTAT')
  t.equal(await append(1_999_980, 'a'), 'stored')
  t.equal(await append(400, 'a'), 'user_full')
  const calls = /cmdstat_lindex:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1]
  t.ok(Number(calls) < 200, `${calls ?? 'no'} items are looked at, not 100,000`)
})

t.test('while nothing is handled, what does not fit is refused without reading the oldest entry again', async (t) => {
  const { append, redis } = await openBounded(t, { maxBytes: 10000, maxUserBytes: 3000 })
  const reads = async (): Promise<number> => Number(/cmdstat_xrange:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0)
  t.equal(await append(3000, 'a'), 'stored')
  const startedMs = performance.now()
  const before = await reads()
  for (let n = 0; n < 100; n++) t.equal(await append(2000, 'a'), 'user_full')
  const atMost = 1 + Math.ceil((performance.now() - startedMs) / 1000)
  t.ok(await reads() - before <= atMost, `at most once a second: ${await reads() - before} of ${atMost}`)
})

t.test('in memory the same bounds hold for what the taker is busy with', async (t) => {
  const releases: (() => void)[] = []
  const inbound = createMemoryInbound({
    bounds: bounds(10, { maxBytes: 10000, maxUserBytes: 4000 }),
    onMessage: async () => { await new Promise<void>((resolve) => { releases.push(resolve) }) }
  })
  const held = [inbound.append(ofBytes(4000, 'a')), inbound.append(ofBytes(4000, 'b'))]
  t.same([await inbound.append(ofBytes(400, 'a')), await inbound.append(ofBytes(2001, 'c'))], ['user_full', 'full'])
  for (const release of releases.splice(0)) release()
  t.same(await Promise.all(held), ['stored', 'stored'])
  const again = inbound.append(ofBytes(4000, 'a'))
  for (const release of releases) release()
  t.equal(await again, 'stored')
})

t.test('what one user may leave in the stream takes some twice her bound of Redis at most, however short her messages are', async (t) => {
  const filled = async (data: string, more: Partial<InboundMessage>): Promise<number> => {
    const bound = 262_144
    const { inbound, redis } = await openBounded(t, { maxEntries: 1_000_000, maxUserBytes: bound })
    while (await inbound.append({ ...message(data), ...more }) === 'stored') { /* until it is full */ }
    const keys = await redis.client.keys('*')
    const used = await Promise.all(keys.map(async key => Number(await redis.client.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'))))
    return used.reduce((sum, bytes) => sum + bytes, 0) / bound
  }
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const long = { id: 'i'.repeat(64), to: `agent:${'a'.repeat(128)}`, traceparent }
  const shares = [await filled('', {}), await filled('', long), await filled('x'.repeat(100), long), await filled('', { userId: 'u'.repeat(500) })]
  t.ok(shares.every(share => share > 0.3 && share <= 1.25), shares.join())
  const dearest = await filled('x'.repeat(500), long)
  t.ok(dearest <= 2.25, `data as long as all the rest: ${dearest}`)
  const longest = await filled('x'.repeat(5000), {})
  t.ok(longest <= 1.35, `memory is given out in steps: ${longest}`)
})

t.test('in memory each message counts what it would in Redis', async (t) => {
  const onMessage = async (): Promise<void> => { await new Promise(() => {}) }
  const inbound = createMemoryInbound({ bounds: bounds(1000, { maxUserBytes: 4000 }), onMessage })
  const tried = Array.from({ length: 20 }, async () => await Promise.race([inbound.append(message(1)), new Promise(setImmediate)]))
  const outcomes = await Promise.all(tried)
  t.ok(outcomes.filter(outcome => outcome === 'user_full').length >= 20 - 4000 / 256)
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
