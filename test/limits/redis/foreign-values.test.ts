import t, { type Test } from 'tap'
import type { Admission, Lease, Limiter, LimitSettings } from '../../../src/limits/limiter.js'
import { createRedisLimiter } from '../../../src/limits/redis/limiter.js'
import { createRedisStrikes } from '../../../src/limits/strikes/counters.js'
import { connectRedis, type RedisConnection } from '../../../src/redis/connect.js'
import { classifyFailure } from '../../../src/redis/failure.js'
import { startRedis, startRedisCluster, type TestRedis } from '../../support/redis.js'
import { HANG_MS, until } from '../../support/until.js'
import { SETTINGS } from '../limiter-conformance.js'

// A value that is not ours stands at one key: whoever comes in the same call must not notice.
const ALICE: Lease = { owner: 'alice', connectionId: 'a', record: 'r' }
const BOB: Lease = { owner: 'bob', connectionId: 'b', record: 'r' }
const [OF_ALICE, OF_BOB] = ['192.0.2.1', '192.0.2.2']
/** Windows of counters instead of times. */
const HIGH: LimitSettings = { ...SETTINGS, addressConnections: 5000, messages: 5000 }

interface Subject {
  readonly limiter: Limiter
  /** What went wrong, of the calls whose callers are not told. */
  readonly failures: string[]
  plant (key: string, value?: string): Promise<void>
  typeOf (key: string): Promise<string>
}

type Outcome = Admission | string
const codeOf = (error: unknown): string => {
  const failure = classifyFailure(error)
  return failure.kind === 'fault' ? failure.code : failure.kind
}
const outcomeOf = async (admission: Promise<Admission>): Promise<Outcome> => await admission.catch(codeOf)

async function start (t: Test, redis: RedisConnection, prefix: string, settings = SETTINGS): Promise<Subject> {
  const failures: string[] = []
  const { commands } = redis
  const limiter = createRedisLimiter(commands, settings, {
    prefix, callTimeoutMs: HANG_MS, records: { prefix, node: 'n', mayRestore: () => true }, onFailure: (error) => { failures.push(codeOf(error)) }
  })
  t.teardown(async () => { await limiter.close() })
  return {
    limiter,
    failures,
    plant: async (key, value = 'not ours') => { await commands.set(prefix + key, value) },
    typeOf: async key => await commands.type(prefix + key)
  }
}

async function connect (t: Test, target: { url: string } | { clusterUrls: readonly string[] }): Promise<RedisConnection> {
  const connection = connectRedis({ ...target, commandTimeoutMs: HANG_MS })
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  return connection
}

/** Alice and Bob ask in one tick, so in one call. */
const both = async ({ limiter }: Subject): Promise<Outcome[]> => await Promise.all([
  outcomeOf(limiter.admit({ address: OF_ALICE, lease: ALICE })), outcomeOf(limiter.admit({ address: OF_BOB, lease: BOB }))
])
const ADMITTED: Admission = { admitted: true }

/** The keys that one attempt touches, and what becomes of Alice's attempt when another value stands there. */
const AT_AN_ATTEMPT: ReadonlyArray<readonly [key: string, ofAlice: Outcome]> = [
  ['ws:ratelimit:user:alice', 'WRONGTYPE'],
  [`ws:ratelimit:ip:${OF_ALICE}`, 'WRONGTYPE'],
  ['ws:node:n', ADMITTED]
]

async function testFamily (t: Test, redis: RedisConnection, prefix: string): Promise<void> {
  for (const [settings, windows] of [[SETTINGS, 'times'], [HIGH, 'counters']] as const) {
    for (const [key, expected] of AT_AN_ATTEMPT) {
      await t.test(`attempts, windows of ${windows}: ${key}`, async (t) => {
        const subject = await start(t, redis, `${prefix}${windows}:${key}:`, settings)
        await subject.plant(key)
        t.same(await both(subject), [expected, ADMITTED])
        t.equal(await subject.typeOf(key), 'string', 'what is not ours stays')
        await subject.limiter.renew([ALICE, BOB])
        for (const lease of [ALICE, BOB]) subject.limiter.release(lease)
        await subject.limiter.vacate([])
        t.equal(await subject.typeOf('ws:ratelimit:user:bob'), 'none', 'Bob\'s slot came back')
        if (key !== `ws:ratelimit:ip:${OF_ALICE}`) t.same([...new Set(subject.failures)], ['WRONGTYPE'])
      })
    }
  }

  await t.test('renewals put back the leases of all others', async (t) => {
    const subject = await start(t, redis, `${prefix}renew:`)
    await subject.plant('ws:ratelimit:user:alice')
    await subject.limiter.renew([ALICE, BOB])
    t.same([await subject.typeOf('ws:ratelimit:user:bob'), subject.failures], ['zset', ['WRONGTYPE']])
  })

  await t.test('messages: one address\'s frames are refused, and others\' settlements go on', async (t) => {
    for (const [settings, type] of [[SETTINGS, 'zset'], [HIGH, 'hash']] as const) {
      const subject = await start(t, redis, `${prefix}messages:${type}:`, settings)
      const take = async (address: string) => await subject.limiter.takeGrant({ address, demand: 1, spare: 20 }, [])
      const grants = [{ address: OF_ALICE, ...await take(OF_ALICE) }, { address: OF_BOB, ...await take(OF_BOB) }]
      await subject.plant(`ws:ratelimit:msg:${OF_ALICE}`)
      subject.limiter.settle(grants.map(grant => ({ ...grant, spent: 1, lastSpentMs: 0 })))
      await subject.limiter.vacate([])
      t.equal(await take(OF_ALICE).catch(codeOf), 'WRONGTYPE')
      t.equal(await subject.typeOf(`ws:ratelimit:msg:${OF_ALICE}`), 'string')
      const limit = settings.messages
      t.match(await subject.limiter.takeGrant({ address: OF_BOB, demand: limit, spare: 0 }, []), { granted: limit - 1 }, 'what Bob did not spend came back')
    }
  })

  await t.test('strikes: the others of the call are counted, and this one by the process itself', async (t) => {
    const [failures, locally]: [string[], string[]] = [[], []]
    const subject = await start(t, redis, `${prefix}strikes:`)
    await subject.plant(`ws:strikes:${OF_ALICE}`)
    const count = createRedisStrikes(redis.commands, `${prefix}strikes:`, { banAfter: 2, windowMs: 60_000 }, {
      onFailure: (error) => { failures.push(codeOf(error)) },
      local: async (counts) => { locally.push(...counts.keys()); return [...counts.keys()] }
    })
    t.same((await count(new Map([[OF_ALICE, 1], [OF_BOB, 2]]))).sort(), [OF_ALICE, OF_BOB])
    t.same([failures, locally], [['WRONGTYPE'], [OF_ALICE]])
  })
}

t.test('on a single Redis', async (t) => {
  await testFamily(t, await connect(t, await startRedis(t)), 'f:')
})

t.test('on a cluster', async (t) => {
  const { urls } = await startRedisCluster(t)
  await testFamily(t, await connect(t, { clusterUrls: urls }), 'f:')
})

t.test('a value of the right type with foreign entries concerns nobody else either', async (t) => {
  const redis = await connect(t, await startRedis(t))
  const subject = await start(t, redis, '', { ...SETTINGS, addressConnections: 1 })
  await redis.commands.rpush(`ws:ratelimit:ip:${OF_ALICE}`, 'not a time')
  const [ofAlice, ofBob] = await both(subject)
  t.type(ofAlice, 'string')
  t.same(ofBob, ADMITTED)
})

t.test('a limit that crosses 1000 still starts anew: only its own former type is removed', async (t) => {
  const redis = await connect(t, await startRedis(t))
  const [low, high] = [await start(t, redis, ''), await start(t, redis, '', HIGH)]
  const changes: string[] = []
  for (const { limiter, typeOf } of [low, high, low, high]) {
    await limiter.admit({ address: OF_ALICE, lease: null })
    await limiter.takeGrant({ address: OF_ALICE, demand: 1, spare: 0 }, [])
    changes.push(`${await typeOf(`ws:ratelimit:ip:${OF_ALICE}`)} ${await typeOf(`ws:ratelimit:msg:${OF_ALICE}`)}`)
  }
  t.same(changes, ['list zset', 'hash hash', 'list zset', 'hash hash'])
})

t.test('what says that Redis is away fails the whole call, also where each item says it by itself', async (t) => {
  const redis: TestRedis = await startRedis(t)
  const connection = await connect(t, redis)
  const subject = await start(t, connection, '')
  t.same(await both(subject), [ADMITTED, ADMITTED])
  for (const [command, code] of [['REPLICAOF 127.0.0.1 1', 'away'], ['REPLICAOF NO ONE', ''], ['CONFIG SET maxmemory 1', 'away']] as const) {
    const [name = '', ...args] = command.split(' ')
    await redis.client.call(name, ...args)
    // Of the attempts that failed. A full Redis lets a script go on that has written already: with them an attempt would pass.
    await subject.limiter.vacate([])
    if (code === '') continue
    t.same(await both(subject), [code, code], command)
    await t.rejects(subject.limiter.renew([ALICE, BOB]), command)
  }
  await redis.client.config('SET', 'maxmemory', '0')
  await until('it takes writes again', async () => (await both(subject)).every(outcome => typeof outcome !== 'string'))
})
