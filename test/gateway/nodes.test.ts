import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import { createRegistry } from '../../src/connection/registry.js'
import { composeNodes, type Nodes } from '../../src/gateway/nodes.js'
import type { Limiter } from '../../src/limits/limiter.js'
import { createRedisLimiter } from '../../src/limits/redis/limiter.js'
import { createAudit } from '../../src/observe/audit.js'
import { createLog } from '../../src/observe/log/log.js'
import { connectRedis } from '../../src/redis/connect.js'
import { LEAST, NOW_MS } from '../config/expect-mistakes.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const LEASE_MS = 300
/** Two probes that fail renew all connections: so many heartbeats would do it again and again. */
const HEARTBEATS = 6

interface World {
  readonly redis: TestRedis
  /** What renewals of this process's leases go through. */
  readonly limiter: Limiter
  readonly trust: Nodes['trust']
  /** How each probe went that the connection was told of. */
  readonly probes: boolean[]
  /** How often the connection was lost. */
  countLosses (): number
}

/** A process that tells Redis it lives, ten times a second, as a user of its own. */
async function startNode (t: Test): Promise<World> {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'gate', 'on', '>pass', '~*', '&*', '+@all')
  const connection = connectRedis({ url: redis.url.replace('//', '//gate:pass@') })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(10_000)
  let losses = 0
  connection.onChange((up) => { if (!up) losses++ })
  const probes: boolean[] = []
  const config = loadConfig({ ...LEAST }, NOW_MS)
  const destination = { write () {} }
  const audit = createAudit({ log: createLog({ level: 'info', node: 'n1', destination }), node: 'n1', destination })
  t.teardown(() => { audit.close() })
  const nodes = composeNodes({
    config: { ...config, limits: { ...config.limits, leaseMs: LEASE_MS } },
    node: 'n1',
    registry: createRegistry(),
    audit,
    onRefused: () => {},
    onFault: () => {},
    redis: {
      ...connection,
      noteProbe (succeeded) {
        probes.push(succeeded)
        connection.noteProbe(succeeded)
      }
    }
  })
  await nodes.start(() => {})
  t.teardown(async () => { await nodes.close() })
  const limiter = createRedisLimiter(connection.commands, { ...config.limits, leaseMs: LEASE_MS }, { prefix: '', records: { prefix: '', node: 'n1', ...nodes.trust } })
  t.teardown(async () => { await limiter.close() })
  return { redis, limiter, trust: nodes.trust, probes, countLosses: () => losses }
}

const FOREIGN: Readonly<Record<string, (redis: TestRedis['client']) => Promise<unknown>>> = {
  'a foreign value at the index of nodes': async (redis) => await redis.multi().del('ws:nodes').set('ws:nodes', 'not ours').exec(),
  'a foreign value at the records': async (redis) => await redis.multi().del('ws:node:n1').set('ws:node:n1', 'not ours').exec(),
  'a right that is missing': async (redis) => await redis.call('ACL', 'SETUSER', 'gate', '-pexpire')
}

for (const [what, spoil] of Object.entries(FOREIGN)) {
  t.test(`${what} fails heartbeats, and keeps the connections: Redis has answered`, async (t) => {
    const { redis, probes, countLosses } = await startNode(t)
    await spoil(redis.client)
    const failures = async (): Promise<number> => {
      const errors = await redis.client.info('errorstats')
      return [...errors.matchAll(/^errorstat_(?:WRONGTYPE|NOPERM|ERR):count=(\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
    }
    await until('heartbeats have failed', async () => await failures() >= HEARTBEATS)
    probes.length = 0
    await until('they go on', () => probes.length >= HEARTBEATS)
    t.same(probes.filter(succeeded => !succeeded), [], 'none was told as a failed probe')
    t.equal(countLosses(), 0)
  })
}

t.test('a Redis that hangs fails probes, has its connection made anew, and is heard again once it answers', async (t) => {
  const { redis, probes, countLosses } = await startNode(t)
  probes.length = 0
  redis.pause()
  await until('heartbeats have failed', () => probes.filter(succeeded => !succeeded).length >= 2)
  await until('the connection was made anew', () => countLosses() >= 1)
  redis.resume()
  await until('heartbeats are answered again', () => probes.at(-1) === true)
  t.pass('it comes back')
})

t.test('records that are lost without their leases come back: a heartbeat finds that out, and then renewals look for all', async (t) => {
  const { redis: { client }, limiter, trust } = await startNode(t)
  const lease = { owner: 'alice', connectionId: 'c1', record: 'r' }
  const renewUntil = async (what: string, isTrue: () => Promise<boolean>): Promise<void> => {
    await until(what, async () => {
      await limiter.renew([lease])
      return await isTrue()
    })
  }
  await renewUntil('the trouble of the start is over', async () => trust.mayBeLost?.() === false)
  t.equal(await client.hexists('ws:node:n1', 'c1'), 1)
  await client.del('ws:node:n1')
  await renewUntil('it is there again', async () => await client.hexists('ws:node:n1', 'c1') === 1)
})

t.test('a process that renews leases has no other heartbeat', async (t) => {
  const { redis: { client }, limiter, trust } = await startNode(t)
  const lease = { owner: 'alice', connectionId: 'c1', record: 'r' }
  await until('a heartbeat rides', async () => {
    const rider = trust.takeRider?.()
    rider?.failed(new Error('not taken along'))
    return rider !== undefined && rider !== null
  })
  const before = await client.hget('ws:node:n1', '')
  await until('the next one has ridden', async () => {
    await limiter.renew([lease])
    return await client.hget('ws:node:n1', '') !== before
  })
  t.ok(Number(await client.zscore('ws:nodes', 'n1')) > 0)
})
