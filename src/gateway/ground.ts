import { randomBytes } from 'node:crypto'
import hashSlot from 'cluster-key-slot'
import type { Logger } from 'pino'
import type { Config } from '../config/config.js'
import { planDescriptors, readDescriptorLimit, type DescriptorBudget } from '../descriptors/budget.js'
import { createRegistry, type Registry } from '../connection/registry.js'
import { loadOwnAdmitScript } from '../limits/redis/scripts.js'
import { createAudit, type Audit } from '../observe/audit.js'
import { createOperatorAudit, type OperatorAudit } from '../observe/operator-audit.js'
import { createEventLoopWatch, type EventLoopWatch } from '../observe/event-loop-delay.js'
import { createMinuteLines } from '../observe/minute-lines.js'
import { describeFailure } from '../redis/describe-failure.js'
import { watchReplies } from '../redis/watch-replies.js'
import { encodeId } from '../redis/encode-id.js'
import { createMetrics, type Metrics } from '../observe/metrics/metrics.js'
import type { CreateTracer, Tracer } from '../observe/tracing/tracer.js'
import { connectRedis, type RedisConnection } from '../redis/connect.js'
import { createLimitKeys } from '../redis/keys.js'
import type { Exits } from './exits.js'
import type { GatewayExtras } from './gateway-options.js'
import { limitPrefix } from './limit-prefix.js'
import { openProcessLog, type ProcessLog } from './process-log.js'
import { needsOf } from './redis-needs.js'
import { createRedisFailures, NO_REDIS_FAILURES, type RedisFailures } from './redis-failures.js'
import { openTracer } from './tracer.js'
import { writeEvent } from '../observe/log/log.js'

/**
 * Where this process is in its life. Read by the gate of upgrades and by readiness, moved by start and stop. `closing`: the
 * drain is over, and nobody comes in whichever way.
 */
export interface Phase { current: 'starting' | 'running' | 'draining' | 'closing' }

/** What every other part stands on: it decides nothing. */
export interface Ground extends ProcessLog {
  readonly config: Config
  readonly options: GatewayExtras
  readonly phase: Phase
  readonly audit: Audit
  readonly operatorAudit: OperatorAudit
  readonly registry: Registry
  readonly eventLoop: EventLoopWatch
  readonly metrics: Metrics
  /** Null: nobody wants spans. */
  readonly tracer: Tracer | null
  readonly descriptors: DescriptorBudget
  /** The name under which this process hears users' own topics; null: it subscribes to each of them, or there is no Redis. */
  readonly processName: string | null
  /** Null: without Redis. */
  readonly redis: RedisConnection | null
  /** Where everybody tells what Redis refused to do. */
  readonly redisFailures: RedisFailures
}

/** Opens log, metrics and the connection to Redis, which need not be up. `createTracer`: null: nobody wants spans. */
export function openGround (config: Config, options: GatewayExtras, exits: Exits, createTracer: CreateTracer | null): Ground {
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
  const tracer = openTracer(createTracer, config, processLog)
  if (tracer !== null) exits.add(tracer.close)
  const operatorAudit = createOperatorAudit((line) => { writeEvent(log, line) })
  exits.add(operatorAudit.close)
  const eventLoop = createEventLoopWatch({
    onLate: (delayMs) => { writeEvent(log, { event: 'server.overloaded', delay_ms: Math.round(delayMs) }) },
    onRecovered: (lateMs) => { writeEvent(log, { event: 'server.recovered', duration_ms: Math.round(lateMs) }) }
  })
  exits.add(eventLoop.stop)
  const metrics = createMetrics()
  exits.add(metrics.close)
  const redis = openRedis(config, log, exits)
  const readsTopics = options.parts?.bus === undefined
  const redisFailures = redis === null ? NO_REDIS_FAILURES : composeRedisFailures(config, redis, { log, metrics, readsTopics })
  exits.add(async () => {
    redisFailures.close()
    await redis?.close()
  })
  const processName = hearsByProcess(config) ? encodeId(name) : null
  const descriptors = planDescriptors(readDescriptorLimit(), config.server.maxConnections)
  const registry = createRegistry(placesByOwner(config))
  return {
    ...processLog,
    config,
    options,
    phase: { current: 'starting' },
    audit,
    operatorAudit,
    registry,
    eventLoop,
    metrics,
    tracer,
    descriptors,
    processName,
    redis,
    redisFailures
  }
}

/** On a cluster a script publishes in its own slot only, and a plain PUBLISH tells no process. */
function hearsByProcess ({ redis, plainUserPublish }: Config): boolean {
  return redis !== null && redis.clusterUrls.length === 0 && !plainUserPublish
}

/** On a cluster the leases of owners whose keys share a slot are renewed by one call: they are visited together. */
function placesByOwner (config: Config): ((leaseOwner: string) => number) | null {
  if (config.redis === null || config.redis.clusterUrls.length === 0) return null
  const keys = createLimitKeys(limitPrefix(config))
  return leaseOwner => hashSlot(keys.user(leaseOwner))
}

function openRedis ({ redis }: Config, log: Logger, exits: Exits): RedisConnection | null {
  if (redis === null) return null
  const sentinels = createMinuteLines(() => performance.now())
  exits.add(sentinels.close)
  return connectRedis({
    ...redis,
    onSentinelError: (sentinel, error) => {
      const detail = `${sentinel}: ${describeFailure(error)}`
      sentinels.note(detail, 1, (count) => { writeEvent(log, { event: 'redis.sentinel', detail, count }) })
    },
    onWrongRedis: (reason) => { writeEvent(log, { event: 'redis.wrong', reason }) },
    onRenew: () => { writeEvent(log, { event: 'redis.renewed' }) }
  })
}

interface ReportDeps {
  readonly log: Logger
  readonly metrics: Metrics
  /** See `LimitsDeps`. */
  readonly readsTopics: boolean
}

function composeRedisFailures (config: Config, { commands }: RedisConnection, { log, metrics, readsTopics }: ReportDeps): RedisFailures {
  const admitScript = loadOwnAdmitScript(config.limits, readsTopics ? config.history : null, commands.isCluster)
  const failures = createRedisFailures({ client: commands, needs: needsOf(config), admitScript, log, metrics })
  watchReplies(commands, failures.note)
  return failures
}
