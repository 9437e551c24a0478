import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import type { Config } from '../config/config.js'
import { createRegistry, type Registry } from '../connection/registry.js'
import { createAudit, type Audit } from '../observe/audit.js'
import { createEventLoopWatch, type EventLoopWatch } from '../observe/event-loop-delay.js'
import { watchReplies } from '../redis/watch-replies.js'
import { createMetrics, type Metrics } from '../observe/metrics/metrics.js'
import { connectRedis, type RedisConnection } from '../redis/connect.js'
import type { Exits } from './exits.js'
import type { GatewayExtras } from './gateway-options.js'
import { openProcessLog, type ProcessLog } from './process-log.js'
import { needsOf } from './redis-needs.js'
import { createRedisFailures, NO_REDIS_FAILURES, type RedisFailures } from './redis-failures.js'
import { writeEvent } from '../observe/log/log.js'

/** Where this process is in its life. Read by the gate of upgrades and by readiness, moved by start and stop. */
export interface Phase { current: 'starting' | 'running' | 'draining' }

/** What every other part stands on: it decides nothing. */
export interface Ground extends ProcessLog {
  readonly config: Config
  readonly options: GatewayExtras
  readonly phase: Phase
  readonly audit: Audit
  readonly registry: Registry
  readonly eventLoop: EventLoopWatch
  readonly metrics: Metrics
  /** Null: without Redis. */
  readonly redis: RedisConnection | null
  /** Where everybody tells what Redis refused to do. */
  readonly redisFailures: RedisFailures
}

/** Opens log, metrics and the connection to Redis, which need not be up. */
export function openGround (config: Config, options: GatewayExtras, exits: Exits): Ground {
  const startedAtMs = performance.now()
  const name = `${config.server.nodeId}-${options.worker ?? 1}-${randomBytes(3).toString('hex')}`
  const processLog = openProcessLog(config, name, { writesFile: options.worker === undefined, output: options.log ?? null })
  const { log, node, destination } = processLog
  exits.add(async () => { await destination.close() })
  const audit = createAudit({ log, node, destination })
  exits.add((reason) => {
    if (reason !== null) audit.serverStopped(reason, performance.now() - startedAtMs)
    audit.close()
  })
  const eventLoop = createEventLoopWatch({
    onLate: (delayMs) => { writeEvent(log, { event: 'server.overloaded', delay_ms: Math.round(delayMs) }) },
    onRecovered: (lateMs) => { writeEvent(log, { event: 'server.recovered', duration_ms: Math.round(lateMs) }) }
  })
  exits.add(eventLoop.stop)
  const metrics = createMetrics()
  exits.add(metrics.close)
  const redis = openRedis(config, log)
  const redisFailures = redis === null ? NO_REDIS_FAILURES : composeRedisFailures(config, redis, log, metrics)
  exits.add(async () => {
    redisFailures.close()
    await redis?.close()
  })
  return { ...processLog, config, options, phase: { current: 'starting' }, audit, registry: createRegistry(), eventLoop, metrics, redis, redisFailures }
}

function openRedis ({ redis }: Config, log: Logger): RedisConnection | null {
  if (redis === null) return null
  return connectRedis({
    ...redis,
    onWrongRedis: (reason) => { writeEvent(log, { event: 'redis.wrong', reason }) },
    onRenew: () => { writeEvent(log, { event: 'redis.renewed' }) }
  })
}

function composeRedisFailures (config: Config, { commands }: RedisConnection, log: Logger, metrics: Metrics): RedisFailures {
  const failures = createRedisFailures({ client: commands, needs: needsOf(config), log, metrics })
  watchReplies(commands, failures.note)
  return failures
}
