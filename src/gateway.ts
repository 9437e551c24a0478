import { randomBytes } from 'node:crypto'
import { createAudit } from './audit/audit.js'
import { composeAccess } from './compose/access.js'
import { composeAdmin } from './compose/admin.js'
import { composeConnections } from './compose/connections.js'
import { composeFanout, type OnInbound } from './compose/fanout.js'
import { composeIdentity } from './compose/identity.js'
import { composeLimits } from './compose/limits.js'
import { composeNodes } from './compose/nodes.js'
import type { Operations } from './compose/operations.js'
import { composePlainRequests } from './compose/plain-requests.js'
import { openProcessLog } from './compose/process-log.js'
import { countMessages, createReport, type OnFault } from './compose/report.js'
import { createResumeKey } from './compose/resume-key.js'
import { composeStrikes } from './compose/strikes.js'
import { createTlsReload } from './compose/tls-reload.js'
import type { Config } from './config/config.js'
import { PATHS } from './connection/read-request.js'
import { createRegistry } from './connection/registry.js'
import { createResumeTickets } from './connection/resume-ticket.js'
import { createMetrics, type MetricsJson } from './metrics/metrics.js'
import { connectRedis } from './redis/connect.js'
import { refuse } from './refusals.js'
import { judgeReadiness, type Readiness } from './server/admin-readiness.js'
import { loadBinding } from './server/binding.js'
import type { HttpRoute } from './server/http-route.js'
import { createEventLoopWatch } from './server/event-loop-delay.js'
import { createUwsServer, type Server, type ServerSettings } from './server/uws.js'

export interface GatewayOptions {
  /** Number of this process among `WORKERS`. */
  readonly worker: number
  /** Further endpoints on the main port: those of dev mode. */
  readonly routes?: readonly HttpRoute[]
  /** Where clients' messages go in memory mode. */
  readonly onInbound?: OnInbound
  /** One of several processes: a supervisor has the admin port and the log file. */
  readonly adminElsewhere?: boolean
}

export interface Gateway {
  /** Opens the ports, loads keys; resolves when connections are taken. Rejects when that cannot be. Stopped before: stays pending. */
  start (): Promise<{ readonly port: number, readonly adminPort: number | null }>
  /** Ends every connection over the drain time, gives everything back, closes. A second call hurries the first. */
  stop (reason: string): Promise<void>
  /** Takes the TLS files as they are now for all further connections. */
  reload (): void
  /** Something threw where nothing may: logged. */
  readonly onFault: OnFault
  /** What operators may ask of this process, and its metrics for a supervisor. */
  readonly operations: Operations & { metricsJson (): Promise<MetricsJson> }
}

const FIRST_CONNECT_MS = 1000
/** Bodies of plain requests: sixteen of the largest that may be published. */
const MAX_BODY_BYTES_IN_ALL = 16_777_216
const BODY_TIMEOUT_MS = 10_000
const LOAD_POLL_MS = 10

/** Puts one process of the gateway together. Nothing runs before `start`. */
export function createGateway (config: Config, options: GatewayOptions): Gateway {
  const { server: settings } = config
  const isWorker = options.adminElsewhere === true
  const bootId = randomBytes(3).toString('hex')
  const { node, log, destination, onFault } = openProcessLog(config, `${settings.nodeId}-${options.worker}-${bootId}`, !isWorker)
  const audit = createAudit({ log, node, destination })
  const registry = createRegistry()
  const eventLoop = createEventLoopWatch({
    onLate: (delayMs) => { log.warn({ event: 'server.overloaded', delay_ms: Math.round(delayMs) }) },
    onRecovered: (lateMs) => { log.info({ event: 'server.recovered', duration_ms: Math.round(lateMs) }) }
  })
  const redis = config.redis === null
    ? null
    : connectRedis({ ...(config.redis.url === null ? {} : { url: config.redis.url }), clusterUrls: config.redis.clusterUrls })
  const metrics = createMetrics({
    connections: () => registry.size,
    redisUp: () => limits.redisUp(),
    issuers: () => identity.tokens.status(),
    auditDropped: () => destination.dropped(),
    ready: () => readiness().ready,
    eventLoopLate: () => eventLoop.isLate()
  })
  const nodes = composeNodes({ config, node, redis, registry, audit, onFault })
  const strikes = composeStrikes({
    config, redis, audit, onFault, control: () => fanout.control, onBan: (addressKey) => { connections.handlers.onBan(addressKey) }
  })
  const report = strikes.watch(createReport({ ...audit, closed: nodes.closed }, metrics, onFault, config.limits.dryRun))
  const limits = composeLimits(config, redis, audit, metrics, { node, mayRestore: nodes.mayRestore })
  const access = composeAccess(config)
  const resumeKey = createResumeKey({
    configured: settings.resumeKey,
    redis,
    prefix: config.redis?.prefix ?? '',
    onUnreadable: () => { log.warn({ event: 'resume_key.unreadable' }) }
  })
  const tickets = createResumeTickets({ key: resumeKey.current })
  const publish = (topic: string, text: string): void => { server.publish(topic, text) }
  const connections = composeConnections({
    config, node, limits, access, report, registry, tickets, strikes, onFault, isLate: eventLoop.isLate, publish
  })
  const fanout = composeFanout(config, redis, log, {
    ...connections.handlers,
    onInbound: options.onInbound ?? (() => {}),
    onRevoked: (matches) => {
      identity.tokens.forget(matches)
      connections.handlers.onRevoked(matches)
    }
  })
  const identity = composeIdentity(config, audit, fanout.control, log)
  let state: 'starting' | 'running' | 'draining' = 'starting'
  const lifecycle = connections.open(fanout, identity, () => state === 'draining')
  const plainRequests = composePlainRequests({ settings: config.upgrade, isWebSocketPath: path => PATHS.has(path), audit, metrics, report })
  const binding = loadBinding()
  const server: Server = createUwsServer(binding, toServerSettings(config), {
    paths: [...PATHS.keys()],
    routes: [...fanout.routes, ...(options.routes ?? [])],
    findClient: plainRequests.findClient,
    onUpgrade: lifecycle.onUpgrade,
    onOther: plainRequests.refuseOther,
    onLostUpgrade: () => {
      metrics.upgradeLost()
      log.warn({ event: 'upgrade.lost' })
    },
    onFault: (error) => { onFault(error, 'server') }
  })

  const countOpenSessions = (): void => { for (const session of registry.all()) countMessages(metrics, session) }
  const readiness = (): Readiness => judgeReadiness({
    started: state !== 'starting' && fanout.control.loaded,
    draining: state === 'draining',
    issuers: identity.tokens.status(),
    redisMissing: config.limits.onRedisDown === 'closed' && limits.redisUp() === false
  })
  const operations: Gateway['operations'] = {
    readiness,
    async renderMetrics () {
      countOpenSessions()
      return await metrics.render()
    },
    async metricsJson () {
      countOpenSessions()
      return await metrics.toJson(options.worker)
    },
    listConnections: fanout.listConnections,
    orders: fanout.control,
    publish: fanout.publish
  }
  const admin = isWorker ? null : composeAdmin(config, operations, onFault)
  const startedAtMs = performance.now()
  let stopping: Promise<void> | null = null
  let urgent = false

  async function stop (reason: string): Promise<void> {
    audit.serverDraining(registry.size, settings.drainMs)
    state = 'draining'
    lifecycle.refusePending(refuse('restarting', { retryAfterMs: 1000 }))
    await connections.drain(() => urgent)
    server.close()
    connections.stop()
    resumeKey.close()
    strikes.close()
    identity.close()
    eventLoop.stop()
    await Promise.allSettled([limits.close(), access.authorizer.close(), fanout.close(), admin?.close()])
    await nodes.close()
    await redis?.close()
    metrics.close()
    audit.serverStopped(reason, performance.now() - startedAtMs)
    audit.close()
    await destination.close()
  }

  const mayStillLoad = (): boolean => stopping === null && !fanout.control.loaded
  async function untilLoaded (withinMs: number): Promise<void> {
    const endAtMs = performance.now() + withinMs
    while (mayStillLoad() && performance.now() < endAtMs) await new Promise<void>((resolve) => { setTimeout(resolve, LOAD_POLL_MS) })
  }
  /**
   * A process that knows no revocations accepts revoked tokens. Readiness steers clients around a process on its own; a
   * worker shares its port, so it waits as long as it takes, and the others serve.
   */
  async function untilRevocationsAreKnown (): Promise<void> {
    await untilLoaded(FIRST_CONNECT_MS)
    if (!isWorker || !mayStillLoad()) return
    log.warn({ event: 'worker.waiting', worker: options.worker, reason: 'revocations and bans are not read yet: Redis' })
    await untilLoaded(Infinity)
  }

  return {
    onFault,
    operations,
    reload: createTlsReload(config, server, log),
    async start () {
      await access.start((reason) => { log.error({ event: 'access.unavailable', reason }) })
      // The first calls shall find a connection rather than begin an outage; a Redis that is away delays no start for long.
      // One that is away is told of now: the first call may never come, as a process that is not ready gets no traffic.
      if (await redis?.waitUntilUp(FIRST_CONNECT_MS) === false) limits.noteRedisAway()
      fanout.start()
      resumeKey.start()
      await nodes.start()
      const adminPort = await admin?.listen() ?? null
      await untilRevocationsAreKnown()
      // The native layer cannot listen once it was closed, and the process is about to end.
      if (stopping !== null) return await new Promise<never>(() => {})
      const port = await server.listen()
      state = 'running'
      eventLoop.start()
      const insecure = config.insecureUntilMs !== null
      audit.serverStarted({ host: settings.host, port, adminPort, binding: `${binding.name}: ${binding.reason}`, insecure })
      // Keys come while the port is open already: dev mode serves its own, and readiness tells when they are there.
      identity.start().catch((error: unknown) => { onFault(error, 'jwks') })
      return { port, adminPort }
    },
    stop (reason) {
      urgent = stopping !== null
      stopping ??= stop(reason)
      return stopping
    }
  }
}

function toServerSettings ({ server, upgrade }: Config): ServerSettings {
  return {
    host: server.host,
    port: server.port,
    tls: server.tls,
    exclusivePort: server.workers === 1,
    maxFrameBytes: server.maxFrameBytes,
    maxBufferedBytes: server.maxBufferedBytes,
    compression: server.compression,
    proxyProtocol: upgrade.proxyProtocol,
    idleTimeoutS: nativeIdleTimeoutS(server.pingIntervalMs),
    bodies: { maxBytesInAll: MAX_BODY_BYTES_IN_ALL, timeoutMs: BODY_TIMEOUT_MS }
  }
}

/**
 * The native idle time-out catches dead peers, which answer no ping: it moves in steps of 4 s between 8 and 960, outside
 * of which the native layer ends the process.
 */
function nativeIdleTimeoutS (pingIntervalMs: number): number {
  return Math.min(960, Math.max(8, Math.ceil((pingIntervalMs / 1000 + 12) / 4) * 4))
}
