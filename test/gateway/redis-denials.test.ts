import t from 'tap'
import { createRedisFailures } from '../../src/gateway/redis-failures.js'
import type { LimitSettings } from '../../src/limits/limiter.js'
import { createRedisLimiter } from '../../src/limits/redis/limiter.js'
import { loadOwnAdmitScript } from '../../src/limits/redis/scripts.js'
import { createLog } from '../../src/observe/log/log.js'
import { connectRedis } from '../../src/redis/connect.js'
import { createLimitKeys } from '../../src/redis/keys.js'
import { redisNeeds, type WindowKind } from '../../src/redis/needs.js'
import { watchReplies } from '../../src/redis/watch-replies.js'
import { startRedis } from '../support/redis.js'
import type { Lifetime } from '../support/gateway.js'
import { HANG_MS, until } from '../support/until.js'

// Whatever this user of Redis is denied while the gateway runs: the process is not ready where that keeps everybody out, and is where not.

const redis = await startRedis(t)
const keys = createLimitKeys('')
const ALL = ['~*', '&*', '+@all']
const LIMITS: Readonly<Record<WindowKind, number>> = { times: 10, counters: 2000 }

async function start (t: Lifetime, window: WindowKind) {
  const allow = async (...rules: string[]): Promise<void> => { await redis.client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>pass', ...rules) }
  await allow(...ALL)
  const connection = connectRedis({ url: redis.url.replace('//', '//gate:pass@'), commandTimeoutMs: HANG_MS })
  await connection.waitUntilUp(HANG_MS)
  const needs = redisNeeds({ prefix: '', limitPrefix: '', isCluster: false, addressWindow: window, messageWindow: window })
  const [windowMs, limit] = [60_000, LIMITS[window]]
  const settings: LimitSettings = {
    addressConnections: limit, addressWindowMs: windowMs, userConnections: 5, leaseMs: 60_000, messages: limit, messageWindowMs: windowMs
  }
  const log = createLog({ level: 'silent', node: 'n', destination: { write () {} } })
  const failures = createRedisFailures({
    client: connection.commands,
    needs,
    admitScript: loadOwnAdmitScript(settings, null, false),
    log,
    metrics: { redisDenied () {}, historyUnreadable () {} }
  })
  watchReplies(connection.commands, failures.note)
  const records = { prefix: '', node: 'n', mayRestore: () => true }
  const limiter = createRedisLimiter(connection.commands, settings, { prefix: '', callTimeoutMs: HANG_MS, records, onFailure: failures.note })
  t.teardown(async () => {
    failures.close()
    await limiter.close()
    await connection.close()
  })
  let attempts = 0
  /** An attempt of somebody whom nobody knows, at an address whose attempts were long ago. */
  async function comesIn (): Promise<boolean> {
    const address = `192.0.2.${++attempts} of ${window}`
    if (window === 'times') await redis.client.rpush(keys.address(address), ...Array.from({ length: LIMITS.times }, (_, n) => String(1000 + n)))
    else await redis.client.hset(keys.address(address), { 1: 1, low: 1, sum: 1 })
    const lease = { owner: `u${attempts}`, connectionId: `c${attempts}`, record: '{}' }
    return await limiter.admit({ address, lease }).then(({ admitted }) => admitted, () => false)
  }
  return { allow, needs, failures, comesIn }
}

for (const window of ['times', 'counters'] as const) {
  t.test(`each command and each name by itself, with windows of ${window}`, async (t) => {
    const { allow, needs, failures, comesIn } = await start(t, window)
    const commands = [...new Set([...needs.flatMap(need => need.commands), 'info', 'quit'])]
    const patterns = needs.filter(({ on }) => on !== 'server').map(({ on, pattern }) => ({ on, pattern, rule: `${on === 'key' ? '~' : '&'}${pattern}` }))
    const cases = [
      ...commands.map(command => ({ denied: `-${command}`, rules: [...ALL, `-${command}`] })),
      { denied: '-eval -evalsha', rules: [...ALL, '-eval', '-evalsha'] },
      { denied: 'all', rules: [] },
      ...patterns.map(({ on, rule }) => {
        const others = patterns.filter(other => other.on === on && other.rule !== rule).map(other => other.rule)
        return { denied: rule, rules: ['+@all', on === 'key' ? '&*' : '~*', ...others] }
      })
    ]
    const wrong: unknown[] = []
    let keptOut = 0
    for (const { denied, rules } of cases) {
      if (!await comesIn()) wrong.push({ denied, before: true })
      await allow(...rules)
      const comes = [await comesIn(), await comesIn()]
      // One may be under way that asked before.
      for (let times = 0; times < 2; times++) await failures.look()
      const isReady = !failures.cannotDecide()
      if (comes.some(one => one !== isReady)) wrong.push({ denied, comes, isReady })
      if (!isReady) keptOut++
      await allow(...ALL)
      for (let times = 0; times < 2; times++) await failures.look()
      if (failures.cannotDecide()) wrong.push({ denied, mended: true })
    }
    t.same(wrong, [])
    t.ok(keptOut > 10, `${keptOut} of ${cases.length}`)
  })
}

t.test('without EVAL everybody comes in, until Redis has lost the scripts', async (t) => {
  const { allow, failures, comesIn } = await start(t, 'times')
  t.ok(await comesIn())
  await failures.look()
  await allow(...ALL, '-eval')
  await failures.look()
  t.same([await comesIn(), failures.cannotDecide()], [true, false])
  await redis.client.script('FLUSH')
  t.notOk(await comesIn())
  await until('it is found out', () => failures.cannotDecide())
  await allow(...ALL)
  await failures.look()
  t.same([await comesIn(), failures.cannotDecide()], [true, false])
})

t.test('a denial that names its command is looked into as well, without being asked to', async (t) => {
  for (const rules of [[...ALL, '-evalsha'], ['+@all', '&*', '~ws:bans'], []]) {
    const { allow, failures, comesIn } = await start(t, 'times')
    t.ok(await comesIn())
    await failures.look()
    await allow(...rules)
    t.notOk(await comesIn())
    await until(`it is found out: ${rules.join(' ')}`, () => failures.cannotDecide())
  }
})
