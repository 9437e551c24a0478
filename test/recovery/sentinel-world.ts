import { Redis } from '#ioredis'
import { startRedisProxy } from '../support/redis-proxy.js'
import { startRedis } from '../support/redis.js'
import { MASTER, startSentinels } from '../support/sentinel.js'
import { until } from '../support/until.js'
import { failOverWithLosses, isMaster, replicates, type StartRedisWorld } from './redis-world.js'

const PASSWORD = 'password-of-the-sentinels'

/** A master and its replica, watched by three Sentinels, who know both by the ports of their proxies. */
export const startSentinelWorld: StartRedisWorld = async (t) => {
  const proxies = await Promise.all([0, 0].map(async port => await startRedisProxy(t, port)))
  const servers = await Promise.all(proxies.map(async ({ port }) => await startRedis(t, { args: ['--replica-announce-port', String(port)] })))
  const pairs = servers.map((server, n) => ({ server, proxy: proxies[n] as typeof proxies[number] }))
  for (const { server, proxy } of pairs) proxy.retarget(server.port)
  const [first, second] = pairs as [typeof pairs[number], typeof pairs[number]]
  await second.server.client.replicaof('127.0.0.1', first.proxy.port)
  await until('the replica follows', async () => await replicates(second.server))
  const sentinels = await startSentinels(t, first.proxy.port, PASSWORD)

  async function inOrder (): Promise<readonly [typeof first, typeof first]> {
    const named = await sentinels.clients[0]?.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER) as string[]
    return Number(named[1]) === first.proxy.port ? [first, second] : [second, first]
  }
  async function untilWhole (): Promise<void> {
    await until('there is a master and its replica', async () => {
      const [master, replica] = await inOrder()
      return await isMaster(master.server) && await replicates(replica.server)
    })
  }
  return {
    settings: {
      REDIS_SENTINELS: sentinels.addresses.join(), REDIS_SENTINEL_MASTER: MASTER, REDIS_SENTINEL_PASSWORD: PASSWORD, REDIS_URL: 'redis://unasked.invalid'
    },
    proxies,
    masters: async () => [(await inOrder())[0].server],
    openClient () {
      const client = new Redis({
        sentinels: sentinels.addresses.map(address => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) })),
        name: MASTER,
        sentinelPassword: PASSWORD,
        maxRetriesPerRequest: 0,
        commandTimeout: 1000,
        retryStrategy: () => 50,
        sentinelRetryStrategy: () => 50
      })
      client.on('error', () => { /* that is what this is about */ })
      t.teardown(() => { client.disconnect() })
      return client
    },
    async restart () {
      const [{ server }] = await inOrder()
      await server.client.save()
      await server.restart()
      await untilWhole()
    },
    async loseWrites (untilTaken) {
      const [old, next] = await inOrder()
      await failOverWithLosses(old.server, next.server, untilTaken, async () => { await sentinels.untilMasterIs(next.proxy.port) })
      await untilWhole()
    }
  }
}
