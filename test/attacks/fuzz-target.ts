import type { Test } from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { generateKey, startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { openRaw, readResponse, upgradeHead } from '../support/raw-socket.js'
import { until } from '../support/until.js'
import type { Material } from './fuzz.js'
import { INSPECTED, openInspector, type Held } from './inspector.js'
import { readMetric } from './present.js'

const USERS = 30
const MAX_PENDING = 16
const MAX_HEAP_GROWTH_BYTES = 4 * 1024 * 1024
const MAX_RSS_GROWTH_BYTES = 64 * 1024 * 1024

export interface FuzzTarget {
  readonly gateway: TestGateway
  readonly material: Material
  readonly readHeld: () => Promise<Held>
  /** Makes a dependency slow or away for a while, so that clients leave during every wait. */
  disturb (turn: number): void
  calm (): void
  /** Checks all that must hold when no client is left. `before`: what the process held after the warm-up. */
  expectNothingLeft (t: Test, before: Held | null): Promise<void>
}

function makeMaterial (issuer: TestIssuer): Material {
  const claims = { agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send' }
  const stranger = generateKey('ES256', 'strange')
  const good = Array.from({ length: USERS }, (_, n) => issuer.sign({ sub: `user-${n}`, exp: Math.floor(Date.now() / 1000) + 7200, ...claims }))
  const bad = [
    issuer.sign({ sub: 'late', exp: 1000 }), issuer.sign({ sub: 'other', aud: 'other' }),
    ...Array.from({ length: 4 }, (_, n) => issuer.sign({ sub: 'strange' }, { key: stranger, header: { kid: `strange-${n}` } }))
  ]
  return { good, bad }
}

const ids = (gateway: TestGateway, event: string): string[] => gateway.log.filter(line => line.event === event).map(line => String(line['connection_id'])).toSorted()

/** Fills the pending places while Redis is frozen: none may be taken already, and one more is too many. */
async function expectEveryPlaceFree (t: Test, gateway: TestGateway, redis: TestRedis, issuer: TestIssuer): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: MAX_PENDING + 1 }, async () => await openRaw(t, gateway.port, freshAddress())))
  redis.pause()
  try {
    for (const [n, raw] of sockets.entries()) raw.write(upgradeHead(`/ws?token=${issuer.sign({ sub: `pending-${n}` })}`))
    const answers = await Promise.all(sockets.map(async raw => (await readResponse(raw))?.body ?? ''))
    t.equal(answers.filter(body => body.includes('"overloaded"')).length, 1, 'all pending places were free')
  } finally {
    redis.resume()
  }
  await until('Redis is back', async () => await readMetric(gateway, 'portcullis_redis_up') === 1)
}

/** A gateway with Redis and an issuer of its own, set up to be fuzzed and then looked into. */
export async function startFuzzTarget (t: Test): Promise<FuzzTarget> {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t, { algorithm: 'ES256' })])
  const gateway = await startGateway(t, {
    ...trust(issuer),
    ...INSPECTED,
    REDIS_URL: redis.url,
    WS_LIMITS_ON_REDIS_DOWN: 'closed',
    WS_UPGRADE_DEADLINE_MS: '2000',
    WS_MAX_PENDING_UPGRADES: String(MAX_PENDING),
    JWKS_COOLDOWN_S: '1',
    JWKS_TIMEOUT_MS: '1000'
  })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const readHeld = await openInspector(t, gateway)
  const material = makeMaterial(issuer)
  // The process's own stays from its first user on.
  const isOwn = (channel: string): boolean => channel.startsWith('ws:topic:node:')
  const channels = async (): Promise<string[]> =>
    (await redis.client.call('PUBSUB', 'CHANNELS') as string[]).filter(channel => !isOwn(channel)).toSorted()
  const channelsBefore = await channels()

  async function expectNothingHeld (t: Test): Promise<void> {
    await until('no connection is left', async () => await readMetric(gateway, 'portcullis_connections') === 0)
    await until('no lease is left', async () => (await redis.client.keys('ws:ratelimit:user:*')).length === 0)
    await until('no subscription is left', async () => (await channels()).join() === channelsBefore.join())
    const keys = await redis.client.keys('ws:ratelimit:*')
    const ends = await Promise.all(keys.map(async key => await redis.client.pttl(key)))
    t.same(keys.filter((_key, n) => ends[n] === -1), [], 'every key has an end')
  }

  function expectCleanLog (t: Test): void {
    t.same(ids(gateway, 'connection.closed'), ids(gateway, 'connection.accepted'), 'one closed line for each accepted line')
    t.equal(new Set(ids(gateway, 'connection.closed')).size, ids(gateway, 'connection.closed').length)
    t.same(gateway.log.filter(line => line.event === 'fault'), [])
    t.same(gateway.stderr().split('\n').filter(line => line !== '' && !/^(Debugger |For help)/.test(line)), [])
    const secrets = ['eyJ', ...[...material.good, ...material.bad].map(token => token.slice(-40))]
    t.same(secrets.filter(secret => gateway.stdout().includes(secret)), [], 'no token is in the log')
  }

  async function expectMemoryBack (t: Test, before: Held): Promise<void> {
    const after = await readHeld()
    const [heap, rss] = [after.heapBytes - before.heapBytes, after.rssBytes - before.rssBytes]
    t.ok(heap < MAX_HEAP_GROWTH_BYTES, `the heap is ${heap} bytes larger`)
    t.ok(rss < MAX_RSS_GROWTH_BYTES, `the process is ${rss} bytes larger`)
  }

  return {
    gateway,
    material,
    readHeld,
    disturb (turn) {
      if (turn % 3 === 0) void redis.client.call('CLIENT', 'PAUSE', '40', 'ALL').catch(() => {})
      issuer.behave('jwks', turn % 2 === 0 ? 'hang' : 'normal')
    },
    calm () { issuer.behave('jwks', 'normal') },
    async expectNothingLeft (t, before) {
      t.equal((await gateway.admin('/healthz')).status, 200, 'the process lives')
      t.equal((await gateway.admin('/readyz')).status, 200)
      await expectNothingHeld(t)
      if (before !== null) {
        await expectMemoryBack(t, before)
        await until('no timer and no socket is left', async () => {
          const { resources } = await readHeld()
          return ['Timeout', 'TCPSocketWrap'].every(type => (resources[type] ?? 0) <= (before.resources[type] ?? 0))
        })
      }
      t.equal(await readMetric(gateway, 'portcullis_audit_dropped_total'), 0)
      expectCleanLog(t)
      await expectEveryPlaceFree(t, gateway, redis, issuer)
      const client = await connect(t, gateway, `/ws?agent_ids=a1&token=${material.good[0] ?? ''}`, { from: freshAddress() })
      t.equal((await client.nextOf('subscribed')).type, 'subscribed', 'and a good client is served')
      client.socket.terminate()
    }
  }
}
