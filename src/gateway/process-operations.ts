import type { MetricSources } from '../observe/metrics/exposition.js'
import type { MetricsJson } from '../observe/metrics/metrics.js'
import type { Server } from '../transport/uws/server.js'
import type { Fanout } from './bus.js'
import type { Connections } from './connections.js'
import { composeExplain } from './explain.js'
import type { Ground } from './ground.js'
import type { Judges } from './judges.js'
import type { Operations } from './operations.js'
import { judgeReadiness, type Readiness } from './readiness.js'
import { countMessages } from './report.js'
import { VERSION } from '../version.js'

/** What operators may ask of this process, and its metrics for a supervisor. */
export interface ProcessOperations extends Operations {
  readiness (): Readiness
  metricsJson (): Promise<MetricsJson>
  /** What the metrics ask at each scrape. */
  readonly metricSources: MetricSources
}

export interface ProcessOperationsDeps {
  readonly ground: Ground
  readonly judges: Judges
  readonly fanout: Fanout
  readonly connections: Pick<Connections, 'tokensLateMs' | 'lifecycle'>
  readonly server: Pick<Server, 'isPaused'>
  /** The native layer's package and version. */
  readonly binding: string
}

/** Puts together what operators may ask. */
export function composeProcessOperations (deps: ProcessOperationsDeps): ProcessOperations {
  const { ground, judges, fanout, connections, server, binding } = deps
  const { config, options, phase, registry, metrics, destination, eventLoop, redisFailures } = ground
  const { limits, tokens, control, accessSafety } = judges
  const countOpenSessions = (): void => { for (const session of registry.all()) countMessages(metrics, session) }
  const readiness = (): Readiness => judgeReadiness({
    started: phase.current !== 'starting',
    draining: phase.current === 'draining' || phase.current === 'closing',
    issuers: tokens.status(),
    // Without revocations and bans nobody may be let in: they come from Redis.
    redisMissing: !control.loaded || (config.limits.onRedisDown === 'closed' && limits.redisUp() === false),
    rightsMissing: redisFailures.cannotDecide() && !config.limits.dryRun,
    channelMissing: !control.listening,
    accessUnsafe: !accessSafety.isSafe(),
    doorShut: server.isPaused()
  })
  return {
    readiness,
    async renderMetrics () {
      countOpenSessions()
      return await metrics.render()
    },
    async metricsJson () {
      countOpenSessions()
      return await metrics.toJson(options.worker ?? 1)
    },
    metricSources: {
      build: { version: VERSION, node: process.version, binding },
      connections: () => registry.size,
      redisUp: limits.redisUp,
      issuers: () => tokens.status(),
      introspectionLateS: () => tokens.standing === undefined ? null : connections.tokensLateMs() / 1000,
      auditDropped: destination.dropped,
      ready: () => readiness().ready,
      eventLoopLate: eventLoop.isLate
    },
    listConnections: fanout.listConnections,
    explain: composeExplain(ground, judges, connections),
    orders: control,
    lists: control,
    publishing: fanout.publishing
  }
}
