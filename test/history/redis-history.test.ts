import t from 'tap'
import { Redis } from '#ioredis'
import { createRedisHistory, type HistoryClient } from '../../src/history/redis-history.js'
import { loadHistoryScript, loadPublishScript } from '../../src/history/publish-script.js'
import { outcomeOfOperation } from '../../src/operation-fault.js'
import { openClient } from '../bus/clients.js'
import { offenders } from '../support/offenders.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'
import { keptOffsets, publication, publishOne, readOne, SETTINGS, testHistory } from './history-conformance.js'
import { hearAll, makeRedisSubjects } from './subjects.js'

const redis = await startRedis(t, { args: ['--enable-debug-command', 'yes'] })
const client = await openClient(t, redis)
testHistory(t, makeRedisSubjects(client, [redis], async t => await hearAll(t, redis)))

const KEY = 'ws:history:{ws:topic:agent:a1}'
const history = createRedisHistory({ client, prefix: '', settings: SETTINGS, timeoutMs: HANG_MS })
const publishScript = loadPublishScript(SETTINGS)
const run = async (server: TestRedis | { readonly client: Redis }, keys: readonly string[], args: readonly string[]): Promise<unknown> =>
  await server.client.eval(publishScript.text, keys.length, ...keys, ...args)

t.test('each key has a time to live, of an event or only of a listener', async (t) => {
  await redis.client.flushall()
  await publishOne(history, publication('agent:a1', 1, 'i1'))
  await readOne(history, 'agent:a2')
  await publishOne(history, publication('task:t1', 1, 'i1'))
  const keys = await redis.client.keys('*')
  t.equal(keys.length, 5)
  t.same(await offenders(keys, async key => {
    const mostMs = key.includes(':events:') ? SETTINGS.keepMs : SETTINGS.metaMs
    const leftMs = await redis.client.pttl(key)
    return leftMs > mostMs - HANG_MS * 2 && leftMs < mostMs * 1.02
  }), [])
  await redis.client.pexpire(KEY, 1000)
  await readOne(history, 'agent:a1')
  t.ok(await redis.client.pttl(KEY) > 1000, 'a listener makes it live on')
})

t.test('a back end that calls it otherwise is told, and nothing is done', async (t) => {
  await redis.client.flushall()
  const wrong: ReadonlyArray<readonly [keys: readonly string[], args: readonly string[], error: RegExp]> = [
    [[], ['e', '1', ''], /wanted is 1 key and 3 arguments/],
    [[KEY], ['e', '1'], /wanted is 1 key and 3 arguments/],
    [[KEY], ['e', '1', '', 'x'], /wanted is 1 key and 3 arguments/],
    [['ws:topic:agent:a1'], ['e', '1', ''], /the key must be <prefix>ws:history/],
    [['p:ws:history:{ws:topic:agent:a1}'], ['e', '1', ''], /the key must be <prefix>ws:history/],
    [['ws:history:{ws:topic:nobody:a1}'], ['e', '1', ''], /no kind of topic/],
    [['ws:history:{ws:topic:agent:}'], ['e', '1', ''], /no kind of topic/],
    [['ws:history:{ws:topic:agent:a:1}'], ['e', '1', ''], /percent-encoded/],
    [['ws:history:{ws:topic:user:a%3a1}'], ['e', '1', ''], /percent-encoded/],
    [['ws:history:{ws:topic:user:%41}'], ['e', '1', ''], /percent-encoded/],
    [[KEY], ['', '1', ''], /name of 1 to 128/],
    [[KEY], ['e', '1', 'x'.repeat(65)], /at most 64/],
    [[KEY], ['e', 'x'.repeat(1_048_600), ''], /larger than 1048576/]
  ]
  const told = await Promise.all(wrong.map(async ([keys, args]) => await run(redis, keys, args).then(() => 'nothing', String)))
  t.same(told.filter((text, place) => wrong[place]?.[2].test(text) !== true), [])
  for (const key of ['ws:history:{ws:topic:user:a%3A1}', 'p:ws:history:{p:ws:topic:agent:a1}']) t.match(await run(redis, [key], ['e', '1', '']), /^\w+:1$/)
  t.equal((await redis.client.keys('*')).length, 4)
})

t.test('a foreign type at a key is an error, and nothing is done', async (t) => {
  await redis.client.flushall()
  const read = await hearAll(t, redis)
  await redis.client.rpush(KEY, 'foreign')
  await t.rejects(publishOne(history, publication('agent:a1')), /WRONGTYPE/)
  await t.rejects(readOne(history, 'agent:a1'), /WRONGTYPE/)
  t.match(await readOne(history, 'agent:a2'), { top: 0 })
  t.same((await redis.client.keys('*')).toSorted(), [KEY, 'ws:history:{ws:topic:agent:a2}'])
  t.same(await read(), [])
})

t.test('a foreign value in the place of the notes of processes keeps no event back: none could note itself, and each hears the topic\'s own channel', async (t) => {
  await redis.client.flushall()
  const read = await hearAll(t, redis)
  await redis.client.set('ws:history:{ws:topic:user:alice}:at', 'foreign')
  t.match(await publishOne(history, publication('user:alice')), { offset: 1 })
  t.same((await read()).map(([channel]) => channel), ['ws:topic:user:alice'])
})

t.test('a user\'s events also go to the processes that have her connections, and to no other', async (t) => {
  await redis.client.flushall()
  const read = await hearAll(t, redis)
  const at = 'ws:history:{ws:topic:user:alice}:at'
  await redis.client.hset(at, 'n1', Date.now() + 3_600_000, 'n2', Date.now() - 1, 'n3', Date.now() + 3_600_000)
  await publishOne(history, publication('user:alice'))
  const [own, ...others] = await read()
  t.equal(own?.[0], 'ws:topic:user:alice')
  t.same(others.toSorted(), ['n1', 'n3'].map(node => [`ws:topic:node:${node}`, `ws:topic:user:alice\n${own?.[1]}`]))
  t.same((await redis.client.hkeys(at)).toSorted(), ['n1', 'n3'])
  await history.renew('user:alice', await readOne(history, 'user:alice'))
  t.equal((await read()).filter(([channel]) => channel.startsWith('ws:topic:node:')).length, 4)
})

t.test('a process notes itself anew once its note has served a third of its time, or is of a clock that was set back', async (t) => {
  await redis.client.flushall()
  const own = createRedisHistory({ client, prefix: '', settings: SETTINGS, process: 'n1', timeoutMs: HANG_MS })
  const [head, at] = ['ws:history:{ws:topic:user:alice}', 'ws:history:{ws:topic:user:alice}:at']
  const SHORT_MS = 50_000
  /** Reads the head where the note is this much older, and gives back how much later its time is over, and which keys were prolonged. */
  const readAged = async (byMs: number): Promise<[laterMs: number, prolonged: readonly boolean[]]> => {
    const until = Number(await redis.client.hget(at, 'n1')) - byMs
    await redis.client.hset(at, 'n1', until)
    for (const key of [head, at]) await redis.client.pexpire(key, SHORT_MS)
    await readOne(own, 'user:alice')
    const prolonged = await Promise.all([head, at].map(async key => await redis.client.pttl(key) > SHORT_MS))
    return [Number(await redis.client.hget(at, 'n1')) - until, prolonged]
  }
  await readOne(own, 'user:alice')
  t.same(await offenders([head, at], async key => await redis.client.pttl(key) > SHORT_MS), [])
  t.same(await readAged(0), [0, [false, false]], 'it is left as it is')
  t.same(await readAged(0), [0, [false, false]])
  const [laterMs, prolonged] = await readAged(SETTINGS.metaMs)
  t.ok(laterMs >= SETTINGS.metaMs)
  t.same(prolonged, [true, true])
  const [backMs, prolongedBack] = await readAged(-1_000_000)
  t.ok(backMs < -900_000)
  t.same(prolongedBack, [true, true])
})

t.test('a full Redis refuses an event, and nothing is half done', async (t) => {
  await redis.client.flushall()
  const read = await hearAll(t, redis)
  for (let n = 0; n < 5; n++) await publishOne(history, publication('agent:a1'))
  await redis.client.config('SET', 'maxmemory', '1')
  const error = await publishOne(history, publication('agent:a1', 1, 'i1')).then(() => null, (error: unknown) => error)
  t.match(String(error), /OOM/)
  t.equal(outcomeOfOperation(error), 'undone')
  await redis.client.config('SET', 'maxmemory', '0')
  t.same(await keptOffsets(history, 'agent:a1'), [1, 2, 3, 4, 5])
  t.equal((await read()).length, 5)
  t.equal((await publishOne(history, publication('agent:a1', 1, 'i1'))).isDuplicate, false)
})

t.test('a user without the right to a channel publishes nothing, and nothing is half done', async (t) => {
  await redis.client.flushall()
  await run(redis, [KEY], ['e', '1', 'i0'])
  await redis.client.call('ACL', 'SETUSER', 'mute', 'on', '>pass', '~*', '+@all', 'resetchannels')
  const mute = new Redis(redis.url.replace('//', '//mute:pass@'))
  t.teardown(() => { mute.disconnect() })
  const before = await readOne(history, 'agent:a1')
  for (const key of [KEY, 'ws:history:{ws:topic:agent:a2}']) await t.rejects(run({ client: mute }, [key], ['e', '1', 'i1']), /channel|NOPERM/i)
  t.same(await readOne(history, 'agent:a1'), before)
  t.equal((await redis.client.keys('*')).length, 2)
  t.match(await run(redis, [KEY], ['e', '1', 'i1']), /:2$/)
})

t.test('a replica answers nothing, and one that takes over begins a new epoch', async (t) => {
  const [master, replica] = await Promise.all([startRedis(t), startRedis(t)])
  await replica.client.call('REPLICAOF', '127.0.0.1', master.port)
  await until('it follows', async () => (await replica.client.info('replication')).includes('master_link_status:up'))
  // Not the gateway's client, which connects anew after READONLY.
  const [atMaster, atReplica] = [master, replica].map(({ client }) => createRedisHistory({ client, prefix: '', settings: SETTINGS, timeoutMs: HANG_MS }))
  if (atMaster === undefined || atReplica === undefined) throw new Error('two')
  const published = await publishOne(atMaster, publication('agent:a1', 1, 'i1'))
  await until('the replica has it', async () => await replica.client.exists(KEY) === 1)
  const calls = [
    async () => await publishOne(atReplica, publication('agent:a1', 1, 'i1')), async () => await readOne(atReplica, 'agent:a1'),
    async () => {
      const [head] = await atReplica.readHeads([{ topic: 'agent:a1', since: { epoch: published.epoch, offset: 1 }, touch: false }])
      if (head?.status === 'rejected') throw head.reason
    },
    async () => await atReplica.readEvents('agent:a1', { epoch: published.epoch, from: 1, to: 1 }),
    async () => await atReplica.renew('agent:a1', { epoch: 'x', top: 1, topAtMs: 1 })
  ]
  t.same(await offenders(calls, async call => await call().then(() => false, (error: unknown) => /READONLY/.test(String(error)))), [])
  await replica.client.call('REPLICAOF', 'NO', 'ONE')
  const after = await readOne(atReplica, 'agent:a1', 1, published.epoch)
  t.match(after, { top: 0, isKept: false })
  t.not(after.epoch, published.epoch)
})

t.test('publications whose script Redis has lost are sent again before those behind them', async (t) => {
  await redis.client.flushall()
  await redis.client.script('FLUSH')
  const results = await history.publish(Array.from({ length: 50 }, (_, n) => publication('user:u1', n)))
  t.same(results.map(result => result.status === 'fulfilled' ? result.value.offset : result), Array.from({ length: 50 }, (_, n) => n + 1))

  // Lost again before each call.
  let calls = 0
  const forgetful: HistoryClient = {
    isCluster: false,
    evalsha: async () => {
      calls++
      throw new Error('NOSCRIPT No matching script')
    },
    eval: async (text, keyCount, ...rest) => await redis.client.eval(text, keyCount, ...rest),
    callBuffer: async (command, ...args) => await redis.client.callBuffer(command, ...args)
  }
  const read = await hearAll(t, redis)
  const other = createRedisHistory({ client: forgetful, prefix: '', settings: SETTINGS, timeoutMs: HANG_MS })
  const outcomes = await other.publish(Array.from({ length: 150 }, (_, n) => publication('user:u2', n)))
  t.same(outcomes.map(one => one.status === 'fulfilled' ? one.value.offset : one), Array.from({ length: 150 }, (_, n) => n + 1))
  t.same((await read()).map(([, message]) => (JSON.parse(message) as { data: number }).data), Array.from({ length: 150 }, (_, n) => n))
  t.equal(calls, 3, '64 of a topic share a call')
})

t.test('what waits behind an answer that does not come is not sent after its publisher has given up', async (t) => {
  await redis.client.flushall()
  let answer: () => void = () => {}
  let sent = 0
  const slow: HistoryClient = {
    isCluster: true,
    evalsha: async (sha, keyCount, ...rest) => {
      sent++
      await new Promise<void>(resolve => { answer = resolve })
      return await redis.client.evalsha(sha, keyCount, ...rest)
    },
    eval: async (text, keyCount, ...rest) => await redis.client.eval(text, keyCount, ...rest),
    callBuffer: async (command, ...args) => await redis.client.callBuffer(command, ...args)
  }
  const read = await hearAll(t, redis)
  const other = createRedisHistory({ client: slow, prefix: '', settings: SETTINGS, timeoutMs: 20 })
  const first = other.publish([publication('user:u1', 1)])
  await until('the first is sent', () => sent === 1)
  const outcomes = [...await Promise.all([first, other.publish([publication('user:u1', 2)])])].flat()
  t.same(outcomes.map(one => one.status === 'rejected' && outcomeOfOperation(one.reason)), ['unknown', 'undone'])
  answer()
  await until('it arrived all the same', async () => (await read()).length === 1)
  // On the same connection: the answer is here, and what waits behind it has had its turn.
  await redis.client.ping()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(sent, 1)
  const last = other.publish([publication('user:u1', 3)])
  await until('the next is sent', () => sent === 2)
  answer()
  await last
  await until('it arrived', async () => (await read()).length === 2)
  t.same((await read()).map(([, message]) => (JSON.parse(message) as { data: number }).data), [1, 3])
})

t.test('every script says what it wants when it is called otherwise', async (t) => {
  for (const name of ['read-heads', 'read-events', 'renew'] as const) {
    const { text } = loadHistoryScript(name, SETTINGS)
    await t.rejects(redis.client.eval(text, 1, KEY), /wanted are/, name)
    if (name !== 'read-heads') await t.rejects(redis.client.eval(text, 1, 'other', ...name === 'renew' ? ['e', 1, 1] : ['e', 1, 1, 64, 1000]), /the key must be/, name)
  }
})
