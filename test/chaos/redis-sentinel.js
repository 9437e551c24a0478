import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { becomesTrue, sleep } from './processes.js'
import { createRandom } from './random.js'
import { createUnsteadily, oneAtATime } from './redis-faults.js'
import { killClients, readKeysOf, startRedisProcess } from './redis-process.js'

const MASTER = 'main'
const SENTINELS = 3
/** A Sentinel whose process stood still for 2 s does nothing for 30 s more (its TILT mode), and two of three must act. */
const TILT_MS = 30_000
const FAIL_OVER_MS = 30_000 + 2 * TILT_MS

/** @param {number} masterPort @param {string} password of the Sentinels */
async function startSentinel (masterPort, password) {
  return await startRedisProcess(({ port, folder }) => {
    const file = join(folder, 'sentinel.conf')
    writeFileSync(file, [
      `port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, `requirepass ${password}`, `sentinel sentinel-pass ${password}`,
      `sentinel monitor ${MASTER} 127.0.0.1 ${masterPort} 2`, `sentinel down-after-milliseconds ${MASTER} 1000`, `sentinel failover-timeout ${MASTER} 3000`, ''
    ].join('\n'))
    return [file, '--sentinel']
  }, '+monitor master')
}

/**
 * A master and its replica, watched by three Sentinels.
 * @param {import('./steadiness.js').Steadiness} steadiness
 */
export async function startSentinels (steadiness) {
  const password = randomBytes(12).toString('hex')
  const servers = [await startRedisProcess(), await startRedisProcess()]
  const roleOf = async ({ client }) => (await client.info('replication')).includes('role:master') ? 'master' : 'replica'
  const isFollowing = async ({ client }) => (await client.info('replication')).includes('master_link_status:up')
  await servers[1].client.replicaof('127.0.0.1', servers[0].port)
  const sentinels = []
  for (let n = 0; n < SENTINELS; n++) sentinels.push(await startSentinel(servers[0].port, password))
  const askers = sentinels.map(({ port }) => {
    const asker = new Redis({ host: '127.0.0.1', port, password, enableReadyCheck: false })
    asker.on('error', () => { /* one of them may stand still */ })
    return asker
  })
  const until = async (what, holds) => { if (!await becomesTrue(holds, FAIL_OVER_MS)) throw new Error(`not in time: ${what}`) }
  const knowsAll = async (asker) => {
    const fields = await asker.call('SENTINEL', 'MASTER', MASTER)
    const field = name => Number(fields[fields.indexOf(name) + 1])
    return field('num-other-sentinels') === SENTINELS - 1 && field('num-slaves') >= 1
  }
  for (const asker of askers) await until('the Sentinels know each other', async () => await knowsAll(asker))
  let current = 0
  const master = () => servers[current]
  const random = createRandom(SENTINELS)
  const unsteadily = createUnsteadily(steadiness)

  async function untilTakenOver () {
    const next = servers[1 - current]
    await until('the replica has taken over', async () => await roleOf(next) === 'master')
    await until('all Sentinels say so', async () => {
      const named = await Promise.all(askers.map(async asker => await asker.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER)))
      return named.every(([, port]) => Number(port) === next.port)
    })
    current = 1 - current
  }
  /** The one that is asked makes the fail-over itself: it must not be in TILT mode, in which it would accept it and wait. */
  async function failOver () {
    for (const asker of askers) {
      const isTilted = !(await asker.info('sentinel')).includes('sentinel_tilt:0')
      if (!isTilted && await asker.call('SENTINEL', 'FAILOVER', MASTER).then(() => true, () => false)) return true
    }
    return false
  }
  const untilFollowed = async () => { await until('the old master follows', async () => await isFollowing(servers[1 - current])) }

  const faults = {
    // What the old master took meanwhile is lost.
    redis_fail_over: async () => await unsteadily('redis_fail_over', async () => {
      await until('a fail-over is accepted', failOver)
      await untilTakenOver()
      await untilFollowed()
    }),
    redis_master_lost: async (forMs) => await unsteadily('redis_master_lost', async () => {
      const old = master()
      await old.kill()
      await untilTakenOver()
      await sleep(forMs)
      await old.start(['--replicaof', '127.0.0.1', String(master().port)])
      await untilFollowed()
    }),
    redis_hang: async () => await unsteadily('redis_hang', async () => {
      master().halt()
      // Less than what makes it down.
      await sleep(700)
      master().resume()
    }),
    sentinel_hang: async (forMs) => {
      const one = random.pick(sentinels)
      one.halt()
      await sleep(forMs)
      one.resume()
    },
    redis_script_flush: async () => { await master().client.script('FLUSH') },
    redis_client_kill: async () => { await killClients(master().client) }
  }
  return {
    settings: {
      REDIS_SENTINELS: sentinels.map(({ port }) => `127.0.0.1:${port}`).join(','), REDIS_SENTINEL_MASTER: MASTER, REDIS_SENTINEL_PASSWORD: password
    },
    spans: {
      redis_fail_over: [0, 0],
      redis_master_lost: [100, 1500],
      redis_hang: [0, 0],
      sentinel_hang: [1500, 6000],
      redis_script_flush: [0, 0],
      redis_client_kill: [0, 0]
    },
    openClient: () => new Redis({
      sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
      name: MASTER,
      sentinelPassword: password,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      commandTimeout: 500,
      retryStrategy: () => 50,
      sentinelRetryStrategy: () => 50
    }),
    readKeys: async () => await readKeysOf(master().client),
    readTopics: async () => await master().client.pubsub('CHANNELS', 'ws:topic:[^n]*'),
    fail: oneAtATime(faults),
    async stop () {
      for (const asker of askers) asker.disconnect()
      await Promise.all([...servers, ...sentinels].map(async (server) => { await server.stop() }))
    }
  }
}
