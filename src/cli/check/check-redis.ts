import { randomUUID } from 'node:crypto'
import { Cluster, type Redis } from '#ioredis'
import type { Config } from '../../config/config.js'
import { waitAtMost } from '../../redis/bounded-wait.js'
import { createRedisBus } from '../../bus/redis-bus.js'
import { limitPrefix } from '../../gateway/limit-prefix.js'
import { createRedisLimiter } from '../../limits/redis/limiter.js'
import { connectRedis, type RedisConnection } from '../../redis/connect.js'
import { readRedisUrl } from '../../redis/read-url.js'
import { checkRedisNode } from './check-redis-node.js'
import { checkRedisRights } from './check-redis-rights.js'
import { checkSentinels } from './check-sentinels.js'
import { describeFailure } from './describe-failure.js'
import { fail, isGood, ok, type Verdict } from './verdict.js'

const PART = 'redis'
const CONNECT_MS = 3000
const HEAR_MS = 2000

/** Has one user's slot taken and given back by the limiter itself: its scripts must run, and write its keys. */
async function checkScripts ({ commands }: RedisConnection, config: Config, prefix: string): Promise<Verdict> {
  const limiter = createRedisLimiter(commands, config.limits, { prefix: limitPrefix(config) })
  const lease = { owner: `portcullis-check-${randomUUID()}`, connectionId: randomUUID() }
  try {
    await limiter.admit({ address: null, lease })
    limiter.release(lease)
    return ok(PART, 'scripts: run and may write the keys of the limits')
  } catch (error) {
    return fail(PART, `scripts: ${describeFailure(error)}; the user needs EVAL, EVALSHA and the keys ${prefix}ws:*`)
  } finally {
    await limiter.close()
  }
}

/** Publishes one event to itself. */
async function checkChannels ({ commands }: RedisConnection, prefix: string): Promise<Verdict> {
  const topic = `user:portcullis-check-${randomUUID()}`
  let hear = (): void => {}
  const heard = new Promise<void>((resolve) => { hear = resolve })
  const bus = createRedisBus({ client: commands, prefix, onEvent: () => { hear() } })
  try {
    await bus.subscribe(topic)
    await bus.publish(topic, { event: 'check', data: null })
    await waitAtMost(heard, HEAR_MS, 'hearing an event')
    return ok(PART, 'channels: an event that is published is heard')
  } catch {
    return fail(PART, `channels: an event that is published is not heard: the user needs SUBSCRIBE, PUBLISH (on a cluster SSUBSCRIBE, SPUBLISH) and the channels ${prefix}ws:*`)
  } finally {
    await bus.close()
  }
}

async function checkCluster (cluster: Cluster): Promise<Verdict> {
  const state = String(await cluster.cluster('INFO'))
  const size = /^cluster_size:(\d+)/m.exec(state)?.[1] ?? '?'
  return /^cluster_state:ok/m.test(state)
    ? ok(PART, `cluster: all slots are served, by ${size} nodes`)
    : fail(PART, 'cluster: not all slots are served (CLUSTER INFO)')
}

async function checkConnected (redis: RedisConnection, config: Config, prefix: string): Promise<Verdict[]> {
  const { commands } = redis
  const nodes: readonly Redis[] = commands instanceof Cluster ? commands.nodes('master') : [commands]
  const looked = await Promise.all([
    ...nodes.map(async node => await checkRedisNode(node, commands.isCluster)),
    ...(commands instanceof Cluster ? [checkCluster(commands)] : []),
    checkRedisRights(nodes, config)
  ])
  // One after the other: a replica that refuses a script is left, with all that was asked meanwhile.
  return [...looked.flat(), await checkScripts(redis, config, prefix), await checkChannels(redis, prefix)]
}

/** Tries all that the gateway needs of its Redis. Leaves nothing behind. */
export async function checkRedis (config: Config): Promise<Verdict[]> {
  if (config.redis === null) return [ok(PART, 'none: limits, bans and revocations are in this process alone')]
  const { url, sentinel, prefix } = config.redis
  const sentinels = sentinel === null ? [] : await checkSentinels(sentinel, url !== null && readRedisUrl(url).tls)
  if (!isGood(sentinels)) return sentinels
  let giveUp = (): void => {}
  // The first failure tells enough; the client would try for ever.
  const failed = new Promise<false>((resolve) => { giveUp = () => { resolve(false) } })
  const redis = connectRedis({ ...config.redis, onWrongRedis: () => { giveUp() } })
  redis.commands.once('error', giveUp)
  try {
    if (await Promise.race([redis.waitUntilUp(CONNECT_MS), failed])) return [...sentinels, ...await checkConnected(redis, config, prefix)]
    return [...sentinels, fail(PART, describeFailure(redis.lastError() ?? new Error('Connection is closed')))]
  } catch (error) {
    return [...sentinels, fail(PART, describeFailure(error))]
  } finally {
    await redis.close()
  }
}
