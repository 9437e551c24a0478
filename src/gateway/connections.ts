import { randomBytes } from 'node:crypto'
import { isListed, type ClientAddress } from '../address/client-address.js'
import { createRefusalAnswerer } from '../connection/answer-refusal.js'
import { createDeadlineWheel } from '../connection/deadline-wheel.js'
import type { Delivery } from '../connection/deliver.js'
import { drainSessions } from '../connection/drain-sessions.js'
import { createLifecycle, type Lifecycle } from '../connection/lifecycle.js'
import { onDue } from '../connection/on-due.js'
import { createOpenSession } from '../connection/open-session.js'
import { createRights, type Rights } from '../connection/rights.js'
import { endSession } from '../connection/send-end-close.js'
import type { SessionContext } from '../connection/session-context.js'
import { createSubscriptions, type Subscriptions } from '../connection/subscriptions.js'
import type { ControlHandlers } from '../control/control.js'
import { refuse } from '../refusals.js'
import type { Fanout } from './bus.js'
import { createDisconnects, type Disconnects } from './disconnects.js'
import { createGate } from './gate.js'
import type { Ground } from './ground.js'
import type { Judges } from './judges.js'
import { createRounds } from './rounds.js'
import { toWelcomeLimits } from './welcome-limits.js'

export interface ConnectionsDeps {
  readonly ground: Ground
  readonly judges: Judges
  readonly fanout: Pick<Fanout, 'bus' | 'inbound'>
  readonly delivery: Delivery
}

/** The open connections of one process, and the way in. */
export interface Connections {
  readonly lifecycle: Lifecycle
  /** What orders do to them. */
  readonly handlers: ControlHandlers
  /** Starts the timers: before the first upgrade. */
  start (): void
  /** Sends everybody away over the drain time; at once when `isUrgent` says so. Resolves when nobody is left. */
  drain (isUrgent: () => boolean): Promise<void>
  /** Stops the timers. The connections must have ended. */
  stop (): void
}

const UNVERIFIABLE = refuse('unavailable', { retryAfterMs: 5000, detail: 'rights not verifiable' })

/** Puts the connections of one process together. */
export function composeConnections (deps: ConnectionsDeps): Connections {
  const { ground: { config, registry, onFault }, judges: { access, limits, tickets } } = deps
  const { drainMs, maxBufferedBytes } = config.server
  const disconnects = createDisconnects(config.upgrade.deadlineMs)
  const rights = createRights({
    authorizer: access.authorizer,
    periodMs: config.access.recheckMs,
    onFault: (error) => { onFault(error, 'recheck') }
  })
  const subscriptions = composeSubscriptions(deps, rights)
  const context = toSessionContext(deps, subscriptions)
  const rounds = createRounds({ config, registry, limiter: limits.limiter, onFault })
  return {
    lifecycle: composeLifecycle(deps, context, rights, disconnects),
    handlers: toControlHandlers(deps.judges, rights, disconnects),
    start () {
      deps.judges.accessSafety.watch(rights.endAll)
      rights.start({
        withdraw: subscriptions.withdraw,
        unverifiable: (session) => { endSession(session, UNVERIFIABLE) }
      })
      context.wheel.start((session, nowMs) => { onDue(context, session, nowMs) })
      rounds.start()
    },
    async drain (isUrgent) { await drainSessions({ registry, limiter: limits.limiter, tickets, maxBufferedBytes }, drainMs, isUrgent) },
    stop () {
      rounds.stop()
      context.wheel.stop()
      rights.stop()
    }
  }
}

function composeSubscriptions ({ ground, judges: { access, report }, fanout, delivery }: ConnectionsDeps, rights: Rights): Subscriptions {
  const { config } = ground
  return createSubscriptions({
    authorizer: access.authorizer,
    bus: fanout.bus,
    inbound: fanout.inbound,
    delivery,
    rights,
    report,
    maxBufferedBytes: config.server.maxBufferedBytes,
    maxFilterIds: config.upgrade.maxFilterIds,
    subscribesPerS: config.limits.subscribesPerS
  })
}

function toSessionContext ({ ground: { config, node, registry }, judges }: ConnectionsDeps, subscriptions: Subscriptions): SessionContext {
  const { server, limits: { allowList, dryRun } } = config
  return {
    node,
    limits: toWelcomeLimits(config),
    maxBufferedBytes: server.maxBufferedBytes,
    keepTokens: judges.access.keepTokens,
    dryRun,
    idleMs: server.idleMs,
    clockToleranceMs: config.tokens.clockToleranceMs,
    registry,
    wheel: createDeadlineWheel(),
    limiter: judges.limits.limiter,
    messageLimit: judges.limits.messageLimit,
    identify: judges.identify,
    subscriptions,
    report: judges.report,
    isExempt: (address: ClientAddress) => allowList !== null && isListed(address, allowList)
  }
}

function composeLifecycle (
  { ground, judges }: ConnectionsDeps, context: SessionContext, rights: Rights, disconnects: Disconnects
): Lifecycle {
  const { config, registry } = ground
  const { limits: { limiter, blockedForMs, noteUserFull }, access, control, bannedForMs, tickets, report } = judges
  const { dryRun, userConnections, addressWindowMs } = config.limits
  const bootId = randomBytes(5).toString('hex')
  let connections = 0
  return createLifecycle({
    settings: config.upgrade,
    limiter,
    blockedForMs,
    bannedForMs: (address) => dryRun ? 0 : bannedForMs(address.key),
    isExempt: context.isExempt,
    dryRun,
    judgeTicket: tickets.judge,
    identify: judges.identify,
    authorizer: access.authorizer,
    rightsGeneration: rights.generationOf,
    isRevoked: control.isRevoked,
    wasDisconnected: disconnects.wasDisconnected,
    userIsFull: (leaseOwner) => !dryRun && registry.countOf(leaseOwner) >= userConnections,
    noteUserFull,
    newConnectionId: () => `${bootId}-${(++connections).toString(36)}`,
    gate: createGate(ground, config.server),
    answerer: createRefusalAnswerer(addressWindowMs),
    report,
    open: createOpenSession(context)
  })
}

function toControlHandlers ({ access, tokens, endings, bannedForMs }: Judges, rights: Rights, disconnects: Disconnects): ControlHandlers {
  return {
    onRevoked (matches) {
      tokens.forget(matches)
      endings.endRevoked(matches)
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
