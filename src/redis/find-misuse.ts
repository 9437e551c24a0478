import { Cluster } from '#ioredis'
import type { RedisClient } from './client.js'
import { readServer } from './read-server.js'

/** A server was reached that cannot serve by the settings as they are. The message names the setting that is wrong. */
export class WrongRedis extends Error {
  override readonly name = 'WrongRedis'
}

const SENTINEL = 'mode: a Sentinel, which keeps no data: REDIS_SENTINELS and REDIS_SENTINEL_MASTER instead'
const CLUSTER_NODE = 'mode: a node of a cluster: REDIS_CLUSTER_URLS instead of REDIS_URL'
const NO_CLUSTER = 'mode: no cluster: REDIS_URL instead of REDIS_CLUSTER_URLS'
const NO_SENTINEL = 'sentinels: REDIS_SENTINELS names a server that is no Sentinel'
const NO_MASTER = 'sentinels: they watch no master of the name in REDIS_SENTINEL_MASTER'

/** What the connection of a client says about the settings that led to it; null: nothing, or it does not say. Never rejects. */
export async function findMisuse (client: RedisClient): Promise<WrongRedis | null> {
  if (client instanceof Cluster) return null
  const server = await readServer(client)
  if (server?.mode === 'sentinel') return new WrongRedis(SENTINEL)
  return server?.mode === 'cluster' ? new WrongRedis(CLUSTER_NODE) : null
}

/** What a failure to connect says about the settings: the same error, where it says nothing. */
export function nameMisuse (error: Error): Error {
  const { message } = 'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : error
  if (/cluster support disabled/i.test(message)) return new WrongRedis(NO_CLUSTER)
  if (/unknown command .?cluster/i.test(message)) return new WrongRedis(SENTINEL)
  if (/unknown command .?sentinel/i.test(message)) return new WrongRedis(NO_SENTINEL)
  return /invalid reply: null/.test(message) ? new WrongRedis(NO_MASTER) : error
}
