import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startMonitor } from '../support/monitor.js'
import { offenders } from '../support/offenders.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

type T = Test

const RETURNS = 200

let users = 0
const freshUser = (): string => `user-${++users}`

async function open (t: T, gateway: TestGateway, token: string, from = freshAddress()): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${token}`, { from })
  await client.next()
  return client
}

/** Tries until an upgrade is accepted; only a refusal with this name is expected meanwhile. Resolves with the time that took, in ms. */
async function untilAccepted (t: T, gateway: TestGateway, token: string, refusal: string, from?: string): Promise<number> {
  const startedMs = performance.now()
  const seen = new Set<unknown>()
  await until('an upgrade is accepted', async () => {
    const refused = await connectRefused(t, gateway, `/ws?token=${token}`, { from: from ?? freshAddress() }).catch(() => null)
    if (refused !== null) seen.add(refused.body['error'])
    return refused === null
  })
  t.same([...seen].filter(name => name !== refusal), [])
  return performance.now() - startedMs
}

for (const store of ['in memory', 'in Redis']) {
  t.test(`upgrade limits, ${store}`, async (t) => {
    const issuer = await startIssuer(t)
    const redis = store === 'in Redis' ? await startRedis(t) : null
    const gateway = await startGateway(t, { ...trust(issuer), ...(redis === null ? {} : { REDIS_URL: redis.url }), WS_IP_ALLOW_LIST: '127.88.0.0/16' })
    const token = (sub = freshUser()): string => issuer.sign({ sub })

    await t.test('ten attempts of an address pass in a minute, and the eleventh is told when to come back', async (t) => {
      const from = freshAddress()
      const startedMs = Date.now()
      for (let i = 0; i < 10; i++) await open(t, gateway, token(), from)
      for (let i = 0; i < 5; i++) {
        const refused = await connectRefused(t, gateway, `/ws?token=${token()}`, { from })
        t.equal(refused.status, 429)
        t.equal(refused.body['error'], 'ip_rate_limited')
        const waitS = Number(refused.headers['retry-after'])
        const leftS = (startedMs + 60_000 - Date.now()) / 1000
        t.ok(Number.isInteger(waitS) && waitS >= leftS && waitS <= 60, `${waitS} s, ${leftS} s are left`)
        t.equal(refused.body['retry_after_s'], waitS)
      }
      await open(t, gateway, token(), freshAddress())
    })

    await t.test('attempts without or with a bad token count, malformed ones do not', async (t) => {
      const from = freshAddress()
      for (let i = 0; i < 5; i++) t.equal((await connectRefused(t, gateway, '/ws?agent_ids=', { from })).status, 400)
      for (const query of ['', 'token=noise', `token=${issuer.sign({ exp: 1 })}`, `token=${issuer.sign({ aud: 'other' })}`, `token=${token()}&agent_ids=x`]) {
        for (let i = 0; i < 2; i++) t.notOk([400, 429].includes((await connectRefused(t, gateway, `/ws?${query}`, { from })).status))
      }
      t.equal((await connectRefused(t, gateway, `/ws?token=${token()}`, { from })).status, 429)
    })

    await t.test('X-Forwarded-For of an untrusted peer changes nothing', async (t) => {
      const from = freshAddress()
      for (let i = 0; i < 10; i++) await connectRefused(t, gateway, '/ws', { from, headers: { 'X-Forwarded-For': `203.0.113.${i}` } })
      t.equal((await connectRefused(t, gateway, '/ws', { from, headers: { 'X-Forwarded-For': '203.0.113.99' } })).status, 429)
    })

    await t.test('five sockets of a user pass, the sixth is 429, and a closed one makes room at once', async (t) => {
      const jwt = token()
      const clients: TestClient[] = []
      for (let i = 0; i < 5; i++) clients.push(await open(t, gateway, jwt))
      const refused = await connectRefused(t, gateway, `/ws?token=${jwt}`, { from: freshAddress() })
      t.equal(refused.status, 429)
      t.equal(refused.body['error'], 'user_connection_limit')
      t.equal(refused.headers['retry-after'], '5')
      clients[0]?.socket.close()
      await clients[0]?.closed
      t.equal((await (await connect(t, gateway, `/ws?token=${jwt}`, { from: freshAddress() })).next()).type, 'welcome')
      t.equal((await connectRefused(t, gateway, `/ws?token=${jwt}`, { from: freshAddress() })).status, 429)
    })

    await t.test('an address on the allow list has no address limits, but its users have theirs', async (t) => {
      const jwt = token()
      for (let i = 0; i < 5; i++) await open(t, gateway, jwt, '127.88.0.1')
      for (let i = 0; i < 8; i++) await open(t, gateway, token(), '127.88.0.1')
      t.equal((await connectRefused(t, gateway, `/ws?token=${jwt}`, { from: '127.88.0.1' })).body['error'], 'user_connection_limit')
    })
  })
}

t.test('as the oldest attempt leaves the window, one more may come', async (t) => {
  const issuer = await startIssuer(t)
  const redis = await startRedis(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_IP_CONNECTIONS: '2', WS_IP_WINDOW_S: '2' })
  const from = freshAddress()
  const token = issuer.sign()
  const startedMs = performance.now()
  await open(t, gateway, token, from)
  const firstAnsweredMs = performance.now()
  await until('a second has passed', () => performance.now() - startedMs >= 1000)
  await open(t, gateway, token, from)
  const refused = await connectRefused(t, gateway, `/ws?token=${token}`, { from })
  t.equal(refused.status, 429)
  const promisedMs = performance.now() + 1000 * Number(refused.headers['retry-after'])
  await untilAccepted(t, gateway, token, 'ip_rate_limited', from)
  const acceptedMs = performance.now()
  t.ok(acceptedMs - startedMs >= 1950, `not before the first has left: ${Math.round(acceptedMs - startedMs)} ms`)
  t.ok(firstAnsweredMs + 2000 <= promisedMs + 50, 'Retry-After was long enough')
  t.equal((await connectRefused(t, gateway, `/ws?token=${token}`, { from })).status, 429, 'one, not two')
})

t.test('slots over several processes', async (t) => {
  const issuer = await startIssuer(t)
  const redis: TestRedis = await startRedis(t)
  const settings = { ...trust(issuer), REDIS_URL: redis.url, WS_USER_LEASE_S: '2', WS_IP_CONNECTIONS: '100000' }
  const [one, two] = await Promise.all([startGateway(t, settings), startGateway(t, settings)])
  const gateways = [one, two]

  await t.test('a user has five in all, and a slot freed on one is usable on the other', async (t) => {
    const jwt = issuer.sign({ sub: freshUser() })
    const clients: TestClient[] = []
    for (let i = 0; i < 5; i++) clients.push(await open(t, gateways[i % 2] ?? one, jwt))
    t.same(await offenders(gateways, async gateway => (await connectRefused(t, gateway, `/ws?token=${jwt}`, { from: freshAddress() })).body['error'] === 'user_connection_limit'), [])
    clients[0]?.socket.close()
    await clients[0]?.closed
    await untilAccepted(t, two, jwt, 'user_connection_limit')
    t.equal((await connectRefused(t, one, `/ws?token=${jwt}`, { from: freshAddress() })).status, 429)
    for (const client of clients) client.socket.terminate()
  })

  await t.test('of 100 upgrades at once exactly five pass', async (t) => {
    const jwt = issuer.sign({ sub: 'stampede' })
    const outcomes = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      return await open(t, gateways[i % 2] ?? one, jwt).then(() => 'accepted', (error: unknown) => String(error))
    }))
    t.equal(outcomes.filter(outcome => outcome === 'accepted').length, 5)
    t.equal(outcomes.filter(outcome => /refused: 429/.test(outcome)).length, 95)
    t.equal(await redis.client.zcard('ws:ratelimit:user:stampede'), 5)
  })

  await t.test('sockets older than the lease still count', async (t) => {
    const jwt = issuer.sign({ sub: 'lasting' })
    for (let i = 0; i < 5; i++) await open(t, two, jwt)
    const key = 'ws:ratelimit:user:lasting'
    const [oldest = ''] = await redis.client.zrange(key, '0', '0')
    const firstEndMs = Number(await redis.client.zscore(key, oldest))
    t.ok(firstEndMs > Date.now(), 'a lease ends in the future')
    await until('every lease would have lapsed without renewal', async () => Number((await redis.client.time())[0]) * 1000 > firstEndMs + 2000)
    t.equal(await redis.client.zcard(key), 5)
    t.equal((await connectRefused(t, one, `/ws?token=${jwt}`, { from: freshAddress() })).status, 429)
  })

  await t.test('no limiter key is without an end', async (t) => {
    const keys = await redis.client.keys('ws:ratelimit:*')
    t.ok(keys.length > 5)
    // -1: no end. A key that ended since it was listed is -2, which is as it should be.
    for (const key of keys) t.not(await redis.client.pttl(key), -1, key)
  })

  await t.test('a process killed with -9 frees its slots within the lease', async (t) => {
    const jwt = issuer.sign({ sub: 'orphan' })
    for (let i = 0; i < 5; i++) await open(t, one, jwt)
    t.equal((await connectRefused(t, two, `/ws?token=${jwt}`, { from: freshAddress() })).status, 429)
    one.signal('SIGKILL')
    await one.exited
    const tookMs = await untilAccepted(t, two, jwt, 'user_connection_limit')
    t.ok(tookMs < 4000, `${Math.round(tookMs)} ms`)
  })
})

t.test('one accepted upgrade is one script call, and subscribes to nothing', async (t) => {
  const issuer = await startIssuer(t)
  const redis = await startRedis(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const warm = await open(t, gateway, issuer.sign({ sub: 'warm' }))
  warm.socket.close()
  await until('the scripts are loaded', async () => await redis.client.exists('ws:ratelimit:user:warm') === 0)
  await until('the process is heard', async () => (await redis.client.pubsub('CHANNELS', 'ws:topic:node:*')).length === 1)
  const heard = await startMonitor(t, redis.port)
  const seen = (): ReadonlyArray<readonly string[]> => heard.filter(({ source }) => source !== 'lua').map(({ args }) => args)
  const client = await open(t, gateway, issuer.sign({ sub: 'watched' }))
  // Redis tells the monitor in order, so all that was called before has been seen when this is.
  const untilSeen = async (mark: string): Promise<void> => {
    await redis.client.echo(mark)
    await until('the monitor is through', () => seen().some(args => args.includes(mark)))
  }
  await untilSeen('welcomed')
  const scripts = (): ReadonlyArray<readonly string[]> => seen().filter(([command = '']) => /^(evalsha|eval|script|fcall)/i.test(command))
  t.equal(scripts().length, 1)
  t.match(scripts()[0]?.[0], /^evalsha$/i)
  t.ok(scripts()[0]?.includes('ws:ratelimit:user:watched'), 'the slot and')
  t.ok(scripts()[0]?.some(arg => arg.startsWith('ws:ratelimit:ip:127.')), 'the address in the same call')
  t.same(seen().filter(args => !scripts().includes(args) && !/^(info|ping|client|echo)$/i.test(args[0] ?? '')), [])
  client.socket.close()
  await until('the lease is given back', async () => await redis.client.exists('ws:ratelimit:user:watched') === 0)
  await untilSeen('all seen')
  t.equal(scripts().length, 2)
})

t.test('who closes her last connection and comes back at once gets in, each time, and each costs one call, its end included', async (t) => {
  const issuer = await startIssuer(t)
  const redis = await startRedis(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_USER_CONNECTIONS: '2' })
  const jwt = issuer.sign({ sub: 'returning' })
  await open(t, gateway, jwt)
  let last = await open(t, gateway, jwt)
  t.equal((await connectRefused(t, gateway, `/ws?token=${jwt}`, { from: freshAddress() })).body['error'], 'user_connection_limit')
  await until('the process is heard', async () => (await redis.client.pubsub('CHANNELS', 'ws:topic:node:*')).length === 1)
  const heard = await startMonitor(t, redis.port)
  for (let i = 0; i < RETURNS; i++) {
    last.socket.close()
    await last.closed
    last = await open(t, gateway, jwt)
  }
  await redis.client.echo('all seen')
  await until('the monitor is through', () => heard.some(({ args }) => args.includes('all seen')))
  // Beside attempts and their ends: heartbeats, renewals.
  const asked = heard.filter(({ source, args }) => source !== 'lua' && !/^(info|ping|client|echo)$/i.test(args[0] ?? ''))
  t.ok(asked.length <= 1.3 * RETURNS, `${asked.length} calls for ${RETURNS}`)
  last.socket.close()
  await until('what no attempt takes along is given back', async () => await redis.client.zcard('ws:ratelimit:user:returning') === 1)
})
