import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { sleep } from './processes.js'
import { createUnsteadily, networkFaults, NETWORK_SPANS, oneAtATime } from './redis-faults.js'
import { DUMP, killClients, readKeysOf, startRedisProcess } from './redis-process.js'
import { startRelay } from './relay.js'

const OLD_DUMP = 'old.rdb'

/**
 * One Redis behind a relay.
 * @param {import('./steadiness.js').Steadiness} steadiness
 */
export async function startSingle (steadiness) {
  const server = await startRedisProcess()
  const relay = await startRelay(server.port)
  const { client, folder } = server
  const unsteadily = createUnsteadily(steadiness)
  const faults = {
    ...networkFaults([relay]),
    redis_hang: async (forMs) => await unsteadily('redis_hang', async () => {
      server.halt()
      await sleep(forMs)
      server.resume()
    }),
    redis_restart_empty: async (forMs) => await unsteadily('redis_restart_empty', async () => {
      await server.kill()
      rmSync(join(folder, DUMP), { force: true })
      await sleep(forMs)
      await server.start()
    }),
    redis_restart_with_data: async (forMs) => await unsteadily('redis_restart_with_data', async () => {
      await server.end()
      await sleep(forMs)
      await server.start()
    }),
    // It comes back with what it knew when this began.
    redis_old_snapshot: async (forMs) => await unsteadily('redis_old_snapshot', async () => {
      await client.save()
      copyFileSync(join(folder, DUMP), join(folder, OLD_DUMP))
      await sleep(forMs)
      await server.kill()
      copyFileSync(join(folder, OLD_DUMP), join(folder, DUMP))
      await server.start()
    }),
    redis_read_only: async (forMs) => await unsteadily('redis_read_only', async () => {
      // A replica whose master is away: it has its data and takes no writes.
      await client.replicaof('127.0.0.1', 1)
      await sleep(forMs)
      await client.replicaof('NO', 'ONE')
    }),
    redis_script_flush: async () => { await client.script('FLUSH') },
    redis_client_kill: async () => { await killClients(client) }
  }
  return {
    settings: { REDIS_URL: `redis://127.0.0.1:${relay.port}` },
    /** How long each fault lasts, ms: from, to. */
    spans: {
      ...NETWORK_SPANS,
      redis_hang: [800, 3500],
      redis_restart_empty: [50, 1500],
      redis_restart_with_data: [50, 1500],
      redis_old_snapshot: [1000, 4000],
      redis_read_only: [800, 3000],
      redis_script_flush: [0, 0],
      // For a moment each gateway is cut off, and says so: the limits are its own until it is back.
      redis_client_kill: [0, 0]
    },
    /** For a back end, which does without Redis while that is away. */
    openClient: () => new Redis({ host: '127.0.0.1', port: server.port, maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: 500, retryStrategy: () => 50 }),
    readKeys: async () => await readKeysOf(client),
    readTopics: async () => await client.pubsub('CHANNELS', 'ws:topic:[^n]*'),
    fail: oneAtATime(faults),
    async stop () {
      await server.stop()
      await relay.stop()
    }
  }
}
