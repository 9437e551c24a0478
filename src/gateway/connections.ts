import { randomBytes } from 'node:crypto'
import { isListed } from '../address/client-address.js'
import { SYSTEM_CLOCKS } from '../clocks.js'
import { createRefusalAnswerer } from '../connection/answer-refusal.js'
import { createDeadlineWheel } from '../connection/deadline-wheel.js'
import type { Delivery } from '../connection/deliver.js'
import { drainSessions } from '../connection/drain-sessions.js'
import { createLifecycle, type Lifecycle } from '../connection/lifecycle.js'
import { onDue } from '../connection/on-due.js'
import { createOpenSession } from '../connection/open-session.js'
import { createReplays, type Replays } from '../connection/replays.js'
import { createRights, type Rights } from '../connection/rights.js'
import { endSession } from '../connection/send-end-close.js'
import type { TokenWatch } from '../connection/token-watch.js'
import type { SessionContext } from '../connection/session-context.js'
import { startSilentPositions } from '../connection/silent-positions.js'
import { createSubscriptions, type Subscriptions } from '../connection/subscriptions.js'
import { toTopicHandlers } from '../connection/topic-handlers.js'
import type { ControlHandlers } from '../control/control.js'
import { refuse } from '../refusals.js'
import { SYSTEM_TIMERS } from '../timers.js'
import type { Fanout } from './bus.js'
import type { Exits } from './exits.js'
import { createDisconnects, type Disconnects } from './disconnects.js'
import { createGate, RESTARTING, stopsListening } from './gate.js'
import type { Ground } from './ground.js'
import type { Judges } from './judges.js'
import { createRounds } from './rounds.js'
import { composeTokenWatch } from './token-watch.js'
import { toWelcomeLimits } from './welcome-limits.js'

export interface ConnectionsDeps {
  readonly ground: Ground
  readonly judges: Judges
  readonly fanout: Pick<Fanout, 'logs' | 'inbound' | 'publishing'>
  readonly delivery: Delivery
  readonly exits: Exits
}

/** The open connections of one process, and the way in. */
export interface Connections {
  readonly lifecycle: Lifecycle
  /** What orders do to them. */
  readonly handlers: ControlHandlers
  /** By how much the oldest answer of an issuer about an open connection's token has outlived its time, in ms. */
  readonly tokensLateMs: () => number
  /** Starts the timers: before the first upgrade. */
  start (): void
  /**
   * Sends everybody away over the drain time, those who are on the way in as well; at once when `isUrgent` says so. Resolves
   * when nobody is left, and nobody is let in any more.
   */
  drain (isUrgent: () => boolean): Promise<void>
  /** Stops the timers. The connections must have ended. */
  stop (): void
}

/** A proxy sends the head as soon as it is connected: what it sent right before the listening socket was closed is here by then. */
const LAST_HEADS_MS = 500
const UNVERIFIABLE = refuse('unavailable', { retryAfterMs: 5000, detail: 'rights not verifiable' })

/** Puts the connections of one process together. */
export function composeConnections (deps: ConnectionsDeps): Connections {
  const { ground, judges: { access, limits, passes }, fanout: { logs }, delivery } = deps
  const { config, phase, registry, onFault } = ground
  const { drainMs, maxBufferedBytes } = config.server
  const disconnects = createDisconnects(config.upgrade.deadlineMs)
  const rights = createRights({
    authorizer: access.authorizer,
    periodMs: config.access.recheckMs,
    onFault: (error) => { onFault(error, 'recheck') }
  })
  const replays = createReplays({ logs, delivery, report: deps.judges.report, maxBufferedBytes })
  const subscriptions = composeSubscriptions(deps, rights, replays)
  const tokenWatch = composeTokenWatch(ground, deps.judges.tokens, deps.exits)
  const context = toSessionContext(deps, subscriptions, tokenWatch)
  const rounds = createRounds({ config, registry, limiter: limits.limiter, onFault })
  const lifecycle = composeLifecycle(deps, context, rights, disconnects)
  const latecomers = {
    get pending () { return lifecycle.pending },
    refuse () {
      phase.current = 'closing'
      lifecycle.refusePending(RESTARTING)
    }
  }
  let stopSilentPositions = (): void => {}
  return {
    lifecycle,
    tokensLateMs: tokenWatch.lateMs,
    handlers: toControlHandlers(deps.judges, rights, disconnects),
    start () {
      logs.start(toTopicHandlers(delivery, replays))
      stopSilentPositions = startSilentPositions({ registry, logs, timers: SYSTEM_TIMERS, maxBufferedBytes })
      deps.judges.accessSafety.watch(rights.endAll)
      rights.start({
        withdraw: subscriptions.withdraw,
        unverifiable: (session) => { endSession(session, UNVERIFIABLE) }
      })
      context.wheel.start((session, nowMs) => { onDue(context, session, nowMs) })
      rounds.start()
      tokenWatch.start()
    },
    async drain (isUrgent) {
      const openForMs = stopsListening(config) ? LAST_HEADS_MS : 0
      await drainSessions({ registry, latecomers, limiter: limits.limiter, passes, maxBufferedBytes }, { drainMs, openForMs }, isUrgent)
    },
    stop () {
      stopSilentPositions()
      rounds.stop()
      tokenWatch.stop()
      context.wheel.stop()
      rights.stop()
    }
  }
}

function composeSubscriptions (
  { ground, judges: { access, report }, fanout: { logs, inbound }, delivery }: ConnectionsDeps, rights: Rights, replays: Replays
): Subscriptions {
  const { config } = ground
  return createSubscriptions({
    authorizer: access.authorizer,
    logs,
    inbound,
    delivery,
    replays,
    kept: config.history.events,
    rights,
    report,
    maxBufferedBytes: config.server.maxBufferedBytes,
    maxFilterIds: config.upgrade.maxFilterIds,
    subscribesPerS: config.limits.subscribesPerS
  })
}

function toSessionContext (
  { ground, judges, fanout }: ConnectionsDeps, subscriptions: Subscriptions, tokenWatch: TokenWatch
): SessionContext {
  const { config, node, registry } = ground
  const { server, limits: { dryRun } } = config
  return {
    node,
    limits: toWelcomeLimits(config),
    historyS: fanout.publishing.knowsIds ? config.history.keepMs / 1000 : null,
    maxBufferedBytes: server.maxBufferedBytes,
    keepTokens: judges.access.keepTokens,
    dryRun,
    idleMs: server.idleMs,
    clocks: SYSTEM_CLOCKS,
    clockToleranceMs: config.tokens.clockToleranceMs,
    registry,
    wheel: createDeadlineWheel(),
    limiter: judges.limits.limiter,
    messageLimit: judges.limits.messageLimit,
    identify: judges.identify,
    judgeTicket: judges.tickets.judge,
    subscriptions,
    tokenWatch,
    report: judges.report
  }
}

/** Of the places for connections, those that refused clients may take: they must not crowd out the others. */
const LINGERING_SHARE = 0.1

function composeLifecycle (
  { ground, judges }: ConnectionsDeps, context: SessionContext, rights: Rights, disconnects: Disconnects
): Lifecycle {
  const { config, registry } = ground
  const { limits: { limiter, blockedForMs, noteUserFull }, access, control, bannedForMs, passes, tickets, report } = judges
  const { allowList, dryRun, userConnections, addressWindowMs } = config.limits
  const bootId = randomBytes(5).toString('hex')
  let connections = 0
  return createLifecycle({
    settings: config.upgrade,
    limiter,
    blockedForMs,
    bannedForMs: (address) => dryRun ? 0 : bannedForMs(address.key),
    isExempt: (address) => allowList !== null && isListed(address, allowList),
    dryRun,
    judgePass: passes.judge,
    judgeTicket: tickets.judge,
    identify: judges.identify,
    authorizer: access.authorizer,
    rightsGeneration: rights.generationOf,
    isRevoked: control.isRevoked,
    wasDisconnected: disconnects.wasDisconnected,
    userIsFull: (leaseOwner) => !dryRun && registry.countOf(leaseOwner) >= userConnections,
    noteUserFull,
    newConnectionId: () => `${bootId}-${(++connections).toString(36)}`,
    gate: createGate(ground),
    answerer: createRefusalAnswerer({ addressWindowMs, maxLingering: Math.ceil(config.server.maxConnections * LINGERING_SHARE) }),
    report,
    open: createOpenSession(context)
  })
}

function toControlHandlers ({ access, tokens, endings, bannedForMs }: Judges, rights: Rights, disconnects: Disconnects): ControlHandlers {
  return {
    onRevoked (revoked) {
      tokens.forget(revoked)
      endings.endRevoked(revoked)
    },
    onDisconnect (userId) {
      // An upgrade under way must not find the old rights remembered.
      access.authorizer.forget(userId)
      disconnects.note(userId)
      endings.endUser(userId)
    },
    onBanned (addressKeys) { endings.endBanned(addressKeys, bannedForMs) },
    onRecheck: rights.recheck
  }
}
