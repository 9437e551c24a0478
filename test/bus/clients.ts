import { Cluster, type Redis } from '#ioredis'
import type { Test } from 'tap'
import { connectRedis } from '../../src/redis/connect.js'
import type { TestRedis, TestRedisCluster } from '../support/redis.js'

const COMMAND_TIMEOUT_MS = 30_000

/** The gateway's client of this Redis. */
export async function openClient (t: Test, redis: TestRedis): Promise<Redis> {
  const connection = connectRedis({ url: redis.url, commandTimeoutMs: COMMAND_TIMEOUT_MS })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(COMMAND_TIMEOUT_MS)
  if (connection.commands instanceof Cluster) throw new Error('wanted a single Redis')
  return connection.commands
}

/** The gateway's client of this cluster. */
export async function openClusterClient (t: Test, cluster: TestRedisCluster): Promise<Cluster> {
  const connection = connectRedis({ clusterUrls: cluster.urls, commandTimeoutMs: COMMAND_TIMEOUT_MS })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(COMMAND_TIMEOUT_MS)
  if (!(connection.commands instanceof Cluster)) throw new Error('wanted a cluster')
  return connection.commands
}
