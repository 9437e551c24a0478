import { randomUUID } from 'node:crypto'
import { Cluster, type Redis } from '#ioredis'
import type { Config } from '../../config/config.js'
import { waitAtMost } from '../../redis/bounded-wait.js'
import { createRedisBus } from '../../bus/redis-bus.js'
import { limitPrefix } from '../../gateway/limit-prefix.js'
import { createRedisLimiter } from '../../limits/redis/limiter.js'
import { connectRedis, type RedisConnection } from '../../redis/connect.js'
import { classifyFailure, type AwayCause } from '../../redis/failure.js'
import { checkRedisNode } from './check-redis-node.js'
import { checkRedisRights } from './check-redis-rights.js'
import { fail, ok, type Verdict } from './verdict.js'

const PART = 'redis'
const CONNECT_MS = 3000
const HEAR_MS = 2000

const AWAY: Readonly<Record<AwayCause, string>> = {
  timeout: 'it does not answer in time',
  unreachable: 'it cannot be reached: host, port, TLS or firewall',
  too_many_clients: 'it takes no more clients (maxclients)',
  unauthenticated: 'it denies access: user or password',
  read_only: 'it is a replica, or takes no writes now',
  loading: 'it is loading its data',
  busy: 'it is running a script that does not end',
  master_down: 'it is a replica whose master is away',
  out_of_memory: 'it takes no writes: its memory is full',
  misconfigured: 'it takes no writes: it cannot save its data (MISCONF)',
  no_replicas: 'it takes no writes: too few replicas follow it',
  cluster_down: 'its cluster does not serve all slots'
}

function describeFailure (error: unknown): string {
  const failure = classifyFailure(error)
  if (failure.kind === 'away') return AWAY[failure.cause]
  return failure.kind === 'denied' ? 'it denies access: the rights of the user' : `it answered with an error (${failure.code})`
}

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
  const parts = await Promise.all([
    ...nodes.map(async node => await checkRedisNode(node, commands.isCluster)),
    ...(commands instanceof Cluster ? [checkCluster(commands)] : []),
    checkScripts(redis, config, prefix),
    checkChannels(redis, prefix),
    checkRedisRights(nodes, config)
  ])
  return parts.flat()
}

/** Tries all that the gateway needs of its Redis. Leaves nothing behind. */
export async function checkRedis (config: Config): Promise<Verdict[]> {
  if (config.redis === null) return [ok(PART, 'none: limits, bans and revocations are in this process alone')]
  const { url, clusterUrls, prefix } = config.redis
  const redis = connectRedis({ ...(url === null ? {} : { url }), clusterUrls })
  let failure = AWAY.unreachable
  // The first failure tells enough; the client would try for ever.
  const failed = new Promise<false>((resolve) => {
    redis.commands.once('error', (error: unknown) => {
      failure = describeFailure(error)
      resolve(false)
    })
  })
  try {
    if (!await Promise.race([redis.waitUntilUp(CONNECT_MS), failed])) return [fail(PART, failure)]
    return await checkConnected(redis, config, prefix)
  } catch (error) {
    return [fail(PART, describeFailure(error))]
  } finally {
    await redis.close()
  }
}
