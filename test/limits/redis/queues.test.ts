import t, { type Test } from 'tap'
import type { Lease, Limiter } from '../../../src/limits/limiter.js'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import type { ScriptClient } from '../../../src/redis/lua-script.js'
import { startRedis, type TestRedis } from '../../support/redis.js'
import { countAdmitted, SETTINGS } from '../limiter-conformance.js'
import { HANG_MS } from '../../support/until.js'

// How releases and admits share script calls on a single Redis.
const redis = await startRedis(t)
let prefixes = 0

const alice = (connectionId: string): Lease => ({ owner: 'alice', connectionId, record: `of ${connectionId}, with spaces\r\n` })
const leaseOf = (owner: string): Lease => ({ owner, connectionId: `of-${owner}`, record: 'r' })
const ask = (lease: Lease) => ({ address: null, lease })
const endOfTick = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }
const passes = async (limiter: Limiter, ids: readonly string[]): Promise<number> => {
  return await countAdmitted(ids.map(async (id) => await limiter.admit(ask(alice(id)))))
}

interface Subject {
  readonly limiter: Limiter
  readonly key: string
  readonly recordsKey: string
  /** From now on answers wait until `answer`; calls reach Redis all the same. */
  hold (): void
  answer (): void
  /** How many script calls Redis has got since this was asked last. */
  calls (): Promise<number>
}

/** A limiter of its own, whose scripts Redis knows. */
async function start (t: Test): Promise<Subject> {
  const prefix = `t${prefixes++}:`
  let held: Promise<void> | null = null
  let answer = (): void => {}
  const client: ScriptClient = {
    isCluster: false,
    evalsha: async (sha, keyCount, ...rest) => {
      const reply = await redis.client.evalsha(sha, keyCount, ...rest)
      if (held !== null) await held
      return reply
    },
    eval: async (text, keyCount, ...rest) => await redis.client.eval(text, keyCount, ...rest)
  }
  const limiter = createRedisLimiter(client, SETTINGS, { prefix, callTimeoutMs: HANG_MS, records: { prefix, node: 'n', mayRestore: () => true } })
  t.teardown(async () => { await limiter.close() })
  await limiter.admit(ask(leaseOf('nobody')))
  limiter.release(leaseOf('nobody'))
  await limiter.vacate([leaseOf('nobody')])
  const countCalls = async (): Promise<number> => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1])
  let before = await countCalls()
  return {
    limiter,
    key: `${prefix}ws:ratelimit:user:alice`,
    recordsKey: `${prefix}ws:node:n`,
    hold () { held = new Promise((resolve) => { answer = resolve }) },
    answer () {
      held = null
      answer()
    },
    async calls () {
      const now = await countCalls()
      const more = now - before
      before = now
      return more
    }
  }
}

t.test('a user at five of five who gives one back and asks for one in the same tick gets it, by one call', async (t) => {
  const { limiter, calls, key, recordsKey } = await start(t)
  t.equal(await passes(limiter, ['a', 'b', 'c', 'd', 'e']), 5)
  await calls()
  const asked = limiter.admit({ address: '192.0.2.1', resume: { nonce: 'n', ttlMs: 1000 }, lease: alice('f') })
  for (const id of ['a', 'never']) limiter.release(alice(id))
  t.ok((await asked).admitted)
  t.equal(await calls(), 1)
  t.same(await redis.client.zrange(key, '0', '-1').then((ids) => ids.sort()), ['b', 'c', 'd', 'e', 'f'])
  t.same({ ...await redis.client.hgetall(recordsKey) }, Object.fromEntries(['b', 'c', 'd', 'e', 'f'].map((id) => [id, alice(id).record])))
  t.equal(await passes(limiter, ['g']), 0)
})

t.test('what is given back alone is one call', async (t) => {
  const { limiter, calls, recordsKey } = await start(t)
  t.equal(await passes(limiter, ['a', 'b']), 2)
  await calls()
  for (const id of ['a', 'b']) limiter.release(alice(id))
  await limiter.vacate([])
  t.equal(await calls(), 1)
  t.equal(await redis.client.exists(recordsKey), 0)
})

t.test('a renewal is one call, which also finds the records that are lost', async (t) => {
  const { limiter, calls, recordsKey } = await start(t)
  t.equal(await passes(limiter, ['a', 'b']), 2)
  await limiter.renew([alice('a'), alice('b')])
  await calls()
  await limiter.renew([alice('a'), alice('b')])
  t.equal(await calls(), 1)
  await redis.client.hdel(recordsKey, 'b')
  await limiter.renew([alice('a'), alice('b'), { ...alice('c'), record: '' }])
  t.same({ ...await redis.client.hgetall(recordsKey) }, Object.fromEntries(['a', 'b'].map((id) => [id, alice(id).record])))
})

t.test('what comes while a call is out goes in one next call', async (t) => {
  const { limiter, calls, hold, answer } = await start(t)
  t.equal(await passes(limiter, ['a', 'b', 'c', 'd', 'e']), 5)
  await calls()
  hold()
  const first = limiter.admit(ask(leaseOf('first')))
  await endOfTick()
  const waiting: Array<ReturnType<Limiter['admit']>> = []
  for (const id of ['f', 'g', 'h']) {
    waiting.push(limiter.admit(ask(alice(id))))
    if (id !== 'h') limiter.release(alice(id === 'f' ? 'a' : 'b'))
    await endOfTick()
  }
  t.equal(await calls(), 1, 'they wait')
  answer()
  t.ok((await first).admitted)
  t.equal(await countAdmitted(waiting), 2)
  t.equal(await calls(), 1, 'all together')
})

t.test('more than fits goes in several calls at once, all that is given back first', async (t) => {
  const { limiter, calls, hold, answer } = await start(t)
  t.equal(await passes(limiter, ['a', 'b', 'c', 'd', 'e']), 5)
  await calls()
  hold()
  const asked = limiter.admit(ask(alice('f')))
  for (let i = 0; i < 600; i++) limiter.release(leaseOf(`u${i}`))
  limiter.release(alice('a'))
  const others = Array.from({ length: 449 }, async (_, i) => await limiter.admit(ask(leaseOf(`v${i}`))))
  await endOfTick()
  t.equal(await calls(), 5)
  answer()
  t.ok((await asked).admitted)
  t.equal(await countAdmitted(others), 449)
})

t.test('what vacates waits for what waits', async (t) => {
  const { limiter, key, hold, answer } = await start(t)
  hold()
  const asked = [limiter.admit(ask(alice('a')))]
  await endOfTick()
  asked.push(limiter.admit(ask(alice('b'))))
  await endOfTick()
  const vacated = limiter.vacate([alice('a'), alice('b')])
  answer()
  await vacated
  t.equal(await countAdmitted(asked), 2)
  t.equal(await redis.client.zcard(key), 0)
})

t.test('a limiter that closes sends what waits, and ends when that is answered', async (t) => {
  const { limiter, key, hold, answer } = await start(t)
  t.equal(await passes(limiter, ['a']), 1)
  hold()
  const asked = [limiter.admit(ask(alice('b')))]
  await endOfTick()
  asked.push(limiter.admit(ask(alice('c'))))
  limiter.release(alice('a'))
  const closed = limiter.close()
  answer()
  await closed
  t.same(await redis.client.zrange(key, '0', '-1').then((ids) => ids.sort()), ['b', 'c'])
  t.equal(await countAdmitted(asked), 2)
})

t.test('one user\'s key of another type holds up nobody who comes in the same call', async (t) => {
  const { limiter, key, calls } = await start(t)
  await redis.client.set(key, 'not a sorted set')
  limiter.release(alice('a'))
  limiter.release(leaseOf('bob'))
  t.same(await limiter.admit(ask(leaseOf('carol'))), { admitted: true })
  t.equal(await calls(), 1)
})

t.test('records that cannot be kept or removed hold up nobody in the same call, nor who waits', async (t) => {
  const { limiter, recordsKey } = await start(t)
  t.equal(await passes(limiter, ['a', 'b', 'c', 'd', 'e']), 5)
  await redis.client.set(recordsKey, 'not a hash')
  limiter.release(alice('a'))
  t.equal(await passes(limiter, ['f']), 1)
  limiter.release(alice('b'))
  await endOfTick()
  t.equal(await passes(limiter, ['g']), 1)
})

async function startToHang (t: Test): Promise<{ own: TestRedis, limiter: Limiter, held: () => Promise<string[]> }> {
  const own = await startRedis(t)
  const limiter = createRedisLimiter(own.client, SETTINGS, { prefix: '', callTimeoutMs: 300 })
  t.equal(await passes(limiter, ['a']), 1)
  return { own, limiter, held: async () => await own.client.zrange('ws:ratelimit:user:alice', '0', '-1') }
}

t.test('when Redis hangs, who waits is told together with who is out; nothing is held after, and what was given back is', async (t) => {
  const { own, limiter, held } = await startToHang(t)
  own.pause()
  const out = limiter.admit(ask(alice('b'))).catch((error: unknown) => error)
  await endOfTick()
  const waiting = limiter.admit(ask(alice('c'))).catch((error: unknown) => error)
  limiter.release(alice('a'))
  const [failure, same] = await Promise.all([out, waiting])
  t.match(failure, { name: 'RedisTimeout' })
  t.equal(same, failure, 'not a time-out of its own')
  await endOfTick()
  await endOfTick()
  own.resume()
  await limiter.close()
  t.same(await held(), [])
})
