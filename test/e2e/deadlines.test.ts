import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type Refused } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { openRaw, upgradeHead } from '../support/raw-socket.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'
import { freshMetrics } from '../support/metrics.js'

type T = Test

const leases = async (redis: TestRedis, userId: string): Promise<number> => await redis.client.zcard(`ws:ratelimit:user:${userId}`)

async function countUpgrades (gateway: TestGateway, outcome: string): Promise<number> {
  const text = await freshMetrics(gateway.admin)
  return Number(new RegExp(`portcullis_upgrades_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1] ?? 0)
}

/**
 * Sends an upgrade and leaves without an answer. By a goodbye: a reset may overtake what was sent. `hang` is called at the last
 * moment: a dependency that hangs for longer is known to be away.
 */
async function leaveEarly (t: T, gateway: TestGateway, path: string, from: string, hang = (): void => {}): Promise<void> {
  const before = await countUpgrades(gateway, 'aborted')
  const raw = await openRaw(t, gateway.port, from)
  hang()
  raw.write(upgradeHead(path))
  raw.socket.end()
  await until('the abort was seen', async () => await countUpgrades(gateway, 'aborted') === before + 1)
  t.equal(raw.received(), '', 'it waited')
}

async function fillSlots (t: T, gateway: TestGateway, token: string): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const client = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
    t.equal((await client.next()).type, 'welcome', 'every slot is free')
  }
}

function expectUnavailable (t: T, refused: Refused): void {
  t.equal(refused.status, 503)
  t.equal(refused.body['error'], 'unavailable')
  t.match(refused.headers['retry-after'], /^[1-9]\d*$/)
}

t.test('while the keys hang', async (t) => {
  const redis = await startRedis(t)
  const issuer = await startIssuer(t)
  let release = (): void => {}
  issuer.behave('jwks', { after: new Promise<void>((resolve) => { release = resolve }) })
  const settings = { ...trust(issuer), REDIS_URL: redis.url, WS_UPGRADE_DEADLINE_MS: '1500', WS_MAX_PENDING_UPGRADES: '2', WS_IP_CONNECTIONS: '2', JWKS_TIMEOUT_MS: '60000' }
  const gateway = await startGateway(t, settings, { ready: false })
  const token = issuer.sign({ sub: 'alice' })
  const leaver = freshAddress()

  await t.test('a client that leaves takes nothing with it', async (t) => {
    await leaveEarly(t, gateway, `/ws?token=${token}`, leaver)
    t.equal(await leases(redis, 'alice'), 0)
  })

  await t.test('upgrades are answered 503 by the deadline, and those beyond the pending cap at once', async (t) => {
    const startedMs = performance.now()
    const answers = await Promise.all([1, 2, 3].map(async () => {
      const refused = await connectRefused(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
      return { refused, tookMs: performance.now() - startedMs }
    }))
    const overloaded = answers.filter(({ refused }) => refused.body['error'] === 'overloaded')
    t.equal(overloaded.length, 1)
    t.equal(overloaded[0]?.refused.status, 503)
    t.match(overloaded[0]?.refused.headers['retry-after'], /^[1-9]\d*$/)
    for (const { refused, tookMs } of answers.filter(answer => !overloaded.includes(answer))) {
      expectUnavailable(t, refused)
      t.ok(tookMs >= 1490 && tookMs < HANG_MS, `after ${Math.round(tookMs)} ms`)
    }
  })

  await t.test('when the keys come at last, no late lease appears and all slots are free', async (t) => {
    release()
    await gateway.waitForLog('jwks.refreshed')
    t.equal(await leases(redis, 'alice'), 0)
    await fillSlots(t, gateway, token)
  })

  await t.test('the attempt of the client that left counted once', async (t) => {
    const second = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'bob' })}`, { from: leaver })
    t.equal((await second.next()).type, 'welcome')
    t.equal((await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: 'bob' })}`, { from: leaver })).status, 429)
  })
})

t.test('while Redis hangs and the policy is `closed`', async (t) => {
  const redis = await startRedis(t)
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_LIMITS_ON_REDIS_DOWN: 'closed', WS_IP_CONNECTIONS: '2' })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const token = issuer.sign({ sub: 'alice' })
  const [late, leaver] = [freshAddress(), freshAddress()]
  const warm = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'warm' })}`, { from: freshAddress() })
  await warm.next()
  t.teardown(redis.resume)

  await t.test('a client that leaves is gone, and one that waits is answered 503 before the deadline', async (t) => {
    // It goes first: who waits behind it is answered together with it, and would have to leave before that.
    await leaveEarly(t, gateway, `/ws?token=${token}`, leaver, redis.pause)
    expectUnavailable(t, await connectRefused(t, gateway, `/ws?token=${token}`, { from: late }))
    await gateway.waitForLog('limits.degraded')
  })

  await t.test('the leases that Redis took meanwhile are given back when it answers', async (t) => {
    redis.resume()
    await gateway.waitForLog('limits.restored')
    t.equal(await leases(redis, 'alice'), 0)
    await fillSlots(t, gateway, token)
  })

  await t.test('an attempt that was sent counted once, and one that waited behind it not at all', async (t) => {
    const counts = await Promise.all([late, leaver].map(async (address) => await redis.client.llen(`ws:ratelimit:ip:${address}`)))
    t.ok(counts.includes(1) && counts.every((count) => count <= 1), counts.join(' '))
  })

  await t.test('nothing was written down as a fault', async (t) => {
    t.same(gateway.log.filter(line => line.event === 'fault'), [])
  })
})

t.test('while Redis hangs and the policy is `local`, an upgrade is let in by the deadline', async (t) => {
  const redis = await startRedis(t)
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_UPGRADE_DEADLINE_MS: '20000' })
  redis.pause()
  t.teardown(redis.resume)
  // After the deadline it would be refused.
  const client = await connect(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
  t.equal((await client.next()).type, 'welcome')
})

t.test('over WS_MAX_CONNECTIONS is 503 overloaded until one closes', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_MAX_CONNECTIONS: '1' })
  const token = issuer.sign()
  const first = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
  const refused = await connectRefused(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
  t.equal(refused.status, 503)
  t.equal(refused.body['error'], 'overloaded')
  t.match(refused.headers['retry-after'], /^[1-9]\d*$/)
  first.socket.close()
  await gateway.waitForLog('connection.closed')
  t.equal((await (await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })).next()).type, 'welcome')
})
