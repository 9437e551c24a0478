import { randomBytes } from 'node:crypto'
import { createAudit } from './audit/audit.js'
import { createLog } from './audit/log.js'
import { createLogDestination } from './audit/log-destination.js'
import { composeAccess } from './compose/access.js'
import { composeAdmin } from './compose/admin.js'
import { composeFanout, type OnInbound } from './compose/fanout.js'
import { composeIdentity } from './compose/identity.js'
import { listLocalConnections, type Operations } from './compose/operations.js'
import { composeLimits } from './compose/limits.js'
import { countMessages, createReport, type OnFault } from './compose/report.js'
import type { Config } from './config/config.js'
import { createRefusalAnswerer, httpRefusal } from './connection/answer-refusal.js'
import { startDeadlineWheel } from './connection/deadline-wheel.js'
import { createDelivery } from './connection/deliver.js'
import { drainSessions } from './connection/drain-sessions.js'
import { endSession } from './connection/end-session.js'
import { createLifecycle } from './connection/lifecycle.js'
import { onDue } from './connection/on-due.js'
import { createOpenSession } from './connection/open-session.js'
import { PATHS } from './connection/read-request.js'
import { createRegistry } from './connection/registry.js'
import { startRights } from './connection/rights.js'
import { startRota } from './connection/rota.js'
import type { SessionContext } from './connection/session-context.js'
import { createSubscriptions, type Subscriptions } from './connection/subscriptions.js'
import { isListed } from './address/client-address.js'
import { createMetrics, type MetricsJson } from './metrics/metrics.js'
import { connectRedis } from './redis/connect.js'
import { refuse } from './refusals.js'
import { judgeReadiness } from './server/admin-readiness.js'
import { loadBinding } from './server/binding.js'
import type { HttpRoute } from './server/http-route.js'
import { createUwsServer, type Server } from './server/uws.js'
import { toWelcomeLimits } from './compose/welcome-limits.js'

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
  /** Loads keys, opens the ports; resolves when connections are taken. Rejects when that cannot be. */
  start (): Promise<{ readonly port: number, readonly adminPort: number | null }>
  /** Ends every connection over the drain time, gives everything back, closes. A second call hurries the first. */
  stop (reason: string): Promise<void>
  /** Something threw where nothing may: logged. */
  readonly onFault: OnFault
  /** What operators may ask of this process, and its metrics for a supervisor. */
  readonly operations: Operations & { metricsJson (): Promise<MetricsJson> }
}

const FIRST_CONNECT_MS = 1000
const RENEWALS_PER_LEASE = 3
const MAX_RENEWED_PER_CALL = 500

/** Puts one process of the gateway together. Nothing runs before `start`. */
export function createGateway (config: Config, options: GatewayOptions): Gateway {
  const node = `${config.server.nodeId}-${options.worker}-${randomBytes(3).toString('hex')}`
  const { server: settings } = config
  const destination = createLogDestination({
    stdout: true,
    file: config.log.file === null || options.adminElsewhere === true ? null : { path: config.log.file, maxBytes: config.log.fileMaxMb * 1_048_576, keep: config.log.fileKeep }
  })
  const log = createLog({ level: config.log.level as Parameters<typeof createLog>[0]['level'], node, destination })
  const onFault: OnFault = (error, where) => {
    // The stack tells where; a message of a dependency might quote what it was given.
    const { name, stack } = error instanceof Error ? error : new Error('not an error')
    log.error({ event: 'fault', where, error: name, stack: stack?.split('\n').filter(line => line.startsWith('    at ')).slice(0, 8).join('\n') })
  }
  const audit = createAudit({ log, node, destination })
  const registry = createRegistry()
  const redis = config.redis === null ? null : connectRedis({ ...(config.redis.url === null ? {} : { url: config.redis.url }), clusterUrls: config.redis.clusterUrls })
  const metrics = createMetrics({
    connections: () => registry.size,
    redisUp: () => limits.redisUp(),
    issuers: () => identity.tokens.status(),
    auditDropped: () => destination.dropped()
  })
  const report = createReport(audit, metrics, onFault, config.limits.dryRun)
  const limits = composeLimits(config, redis, audit, metrics)
  const access = composeAccess(config)
  const delivery = createDelivery((topic, text) => { server.publish(topic, text) }, settings.maxBufferedBytes)
  const rights = startRights({
    authorizer: access.authorizer,
    periodMs: config.access.recheckMs,
    withdraw: (session, lost) => { subscriptions.withdraw(session, lost) },
    unverifiable: (session) => { endSession(session, refuse('unavailable', { retryAfterMs: 5000, detail: 'rights not verifiable' })) },
    onFault: (error) => { onFault(error, 'recheck') }
  })
  const fanout = composeFanout(config, redis, log, {
    onEvent: delivery.deliver,
    onInbound: options.onInbound ?? (() => {}),
    onRevoked: (matches) => {
      identity.tokens.forget(matches)
      for (const session of [...registry.all()]) if (matches(session.identity)) endSession(session, refuse('revoked'))
    },
    onDisconnect: (userId) => {
      for (const session of [...registry.ofUser(userId)]) endSession(session, refuse('disconnected'))
    },
    onBan: (addressKey) => {
      for (const session of [...registry.all()]) {
        if (session.address.key === addressKey) endSession(session, refuse('banned', { retryAfterMs: fanout.control.bannedForMs(addressKey) }))
      }
    },
    onRecheck: rights.recheck,
    onList: userId => listLocalConnections(registry, node, userId)
  })
  const identity = composeIdentity(config, audit, fanout.control, log)
  const subscriptions: Subscriptions = createSubscriptions({
    authorizer: access.authorizer,
    bus: fanout.bus,
    inbound: fanout.inbound,
    delivery,
    rights,
    report,
    maxBufferedBytes: settings.maxBufferedBytes,
    maxFilterIds: config.upgrade.maxFilterIds,
    subscribesPerS: config.limits.subscribesPerS
  })
  const isExempt = (address: Parameters<typeof isListed>[0]): boolean => config.limits.allowList !== null && isListed(address, config.limits.allowList)
  const wheel = startDeadlineWheel((session, nowMs) => { onDue(context, session, nowMs) })
  const context: SessionContext = {
    node,
    limits: toWelcomeLimits(config),
    maxBufferedBytes: settings.maxBufferedBytes,
    keepTokens: access.keepTokens,
    dryRun: config.limits.dryRun,
    idleMs: settings.idleMs,
    clockToleranceMs: config.tokens.clockToleranceMs,
    maxPings: config.limits.messages,
    messageWindowMs: config.limits.messageWindowMs,
    registry,
    wheel,
    limiter: limits.limiter,
    budget: limits.budget,
    identify: identity.identify,
    subscriptions,
    report,
    isExempt
  }

  let state: 'starting' | 'running' | 'draining' = 'starting'
  const bootId = randomBytes(5).toString('hex')
  let connections = 0
  const lifecycle = createLifecycle({
    settings: config.upgrade,
    limiter: limits.limiter,
    blockedForMs: limits.blockedForMs,
    bannedForMs: (address) => config.limits.dryRun ? 0 : fanout.control.bannedForMs(address.key),
    isExempt,
    dryRun: config.limits.dryRun,
    identify: identity.identify,
    authorizer: access.authorizer,
    userIsFull: (owner) => !config.limits.dryRun && registry.countOf(owner) >= config.limits.userConnections,
    newConnectionId: () => `${bootId}-${(++connections).toString(36)}`,
    gate: () => {
      if (state === 'draining') return refuse('restarting', { retryAfterMs: 1000 })
      return registry.size + lifecycle.pending >= settings.maxConnections ? refuse('overloaded', { retryAfterMs: 1000, detail: 'connections' }) : null
    },
    answerer: createRefusalAnswerer(config.limits.addressWindowMs),
    report,
    open: createOpenSession(context)
  })

  const binding = loadBinding()
  const server: Server = createUwsServer(binding, {
    host: settings.host,
    port: settings.port,
    tls: settings.tls,
    exclusivePort: settings.workers === 1,
    maxFrameBytes: settings.maxFrameBytes,
    maxBufferedBytes: settings.maxBufferedBytes,
    compression: settings.compression,
    proxyProtocol: config.upgrade.proxyProtocol,
    idleTimeoutS: nativeIdleTimeoutS(settings.pingIntervalMs)
  }, {
    paths: [...PATHS.keys()],
    routes: [...fanout.routes, ...(options.routes ?? [])],
    onUpgrade: lifecycle.onUpgrade,
    onOther: (path, isUpgrade) => httpRefusal(!PATHS.has(path)
      ? refuse('not_found')
      : isUpgrade ? refuse('bad_request', { message: 'Sec-WebSocket-Key must be 16 bytes in base64' }) : refuse('upgrade_required')),
    onFault: (error) => { onFault(error, 'server') }
  })
  const countOpenSessions = (): void => { for (const session of registry.all()) countMessages(metrics, session) }
  const operations: Gateway['operations'] = {
    readiness: () => judgeReadiness({
      started: state !== 'starting' && fanout.control.loaded,
      draining: state === 'draining',
      issuers: identity.tokens.status(),
      redisMissing: config.limits.onRedisDown === 'closed' && limits.redisUp() === false
    }),
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
  const admin = options.adminElsewhere === true ? null : composeAdmin(config, operations, onFault)

  const rotas = [
    startRota(registry, config.limits.leaseMs / RENEWALS_PER_LEASE, (sessions) => {
      const leases = Array.from(sessions, session => session.lease)
      for (let i = 0; i < leases.length; i += MAX_RENEWED_PER_CALL) {
        limits.limiter.renew(leases.slice(i, i + MAX_RENEWED_PER_CALL)).catch((error: unknown) => { onFault(error, 'renew') })
      }
    }),
    startRota(registry, settings.pingIntervalMs, (sessions) => { for (const session of sessions) session.socket.ping() })
  ]
  const startedAtMs = performance.now()
  let stopping: Promise<void> | null = null
  let urgent = false

  async function stop (reason: string): Promise<void> {
    audit.serverDraining(registry.size, settings.drainMs)
    state = 'draining'
    await drainSessions(registry, settings.drainMs, settings.maxBufferedBytes, () => urgent)
    server.close()
    for (const rota of rotas) rota.stop()
    wheel.stop()
    rights.stop()
    identity.close()
    await Promise.allSettled([limits.close(), access.authorizer.close(), fanout.close(), admin?.close()])
    await redis?.close()
    metrics.close()
    audit.serverStopped(reason, performance.now() - startedAtMs)
    audit.close()
    await destination.close()
  }

  return {
    onFault,
    operations,
    async start () {
      await access.start((reason) => { log.error({ event: 'access.unavailable', reason }) })
      // Without this the first calls would find no connection and begin an outage; with it, a Redis that is away delays no start for long.
      await redis?.waitUntilUp(FIRST_CONNECT_MS)
      fanout.start()
      const adminPort = await admin?.listen() ?? null
      const port = await server.listen()
      state = 'running'
      audit.serverStarted({ host: settings.host, port, adminPort, binding: `${binding.name}: ${binding.reason}`, insecure: config.insecureUntilMs !== null })
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

/** The native idle time-out catches dead peers, which answer no ping: it moves in steps of 4 s between 8 and 960, outside of which the native layer ends the process. */
function nativeIdleTimeoutS (pingIntervalMs: number): number {
  return Math.min(960, Math.max(8, Math.ceil((pingIntervalMs / 1000 + 12) / 4) * 4))
}
