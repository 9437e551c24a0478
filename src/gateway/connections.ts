import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { isListed, type ClientAddress } from '../address/client-address.js'
import type { Config } from '../config/config.js'
import { createRefusalAnswerer } from '../connection/answer-refusal.js'
import { startDeadlineWheel } from '../connection/deadline-wheel.js'
import { createDelivery } from '../connection/deliver.js'
import { drainSessions } from '../connection/drain-sessions.js'
import { endSession } from '../connection/send-end-close.js'
import { createLifecycle, type Lifecycle } from '../connection/lifecycle.js'
import { onDue } from '../connection/on-due.js'
import { createOpenSession } from '../connection/open-session.js'
import type { Registry } from '../connection/registry.js'
import type { Report } from '../connection/report.js'
import type { ResumeTickets } from '../connection/resume-ticket.js'
import { startRights } from '../connection/rights.js'
import { startRota } from '../connection/rota.js'
import type { SessionContext } from '../connection/session-context.js'
import { createSubscriptions, type Subscriptions } from '../connection/subscriptions.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Access } from './access.js'
import type { Fanout, FanoutHandlers } from './bus.js'
import type { IdentityPart } from './identity.js'
import type { Limits } from './limits.js'
import { listLocalConnections } from './operations.js'
import type { OnFault } from './report.js'
import type { StrikesPart } from './strikes.js'
import { toWelcomeLimits } from './welcome-limits.js'

export interface ConnectionsDeps {
  readonly config: Config
  readonly node: string
  readonly limits: Limits
  readonly access: Access
  readonly report: Report
  readonly registry: Registry
  readonly tickets: ResumeTickets
  readonly strikes: Pick<StrikesPart, 'bannedForMs'>
  readonly onFault: OnFault
  /** The event loop is late: nobody further is taken in. */
  readonly isLate: () => boolean
  /** Sends to every socket of this process that joined the native topic. */
  readonly publish: (topic: string, text: string) => void
}

/** What connects the open connections to the rest: built in two steps, as events come in and messages go out by the same part. */
export interface Connections {
  /** What events and orders do to the connections of this process. */
  readonly handlers: Omit<FanoutHandlers, 'onInbound'>
  /** Starts taking upgrades; `isDraining` closes the door. */
  open (fanout: Fanout, identity: IdentityPart, isDraining: () => boolean): Lifecycle
  /** Sends everybody away over the drain time; at once when `isUrgent` says so. Resolves when nobody is left. */
  drain (isUrgent: () => boolean): Promise<void>
  /** Stops the timers. The connections must have ended. */
  stop (): void
}

const RENEWALS_PER_LEASE = 3
/** Orders to disconnect that are remembered for the upgrades that they may overtake. */
const MAX_DISCONNECTS = 10_000
const MAX_RENEWED_PER_CALL = 500
const RESTARTING = refuse('restarting', { retryAfterMs: 1000 })
const FULL = refuse('overloaded', { retryAfterMs: 1000, detail: 'connections' })
const LATE = refuse('overloaded', { retryAfterMs: 2000, detail: 'event loop' })
const UNVERIFIABLE = refuse('unavailable', { retryAfterMs: 5000, detail: 'rights not verifiable' })

/** Puts the connections of one process together. */
export function composeConnections (deps: ConnectionsDeps): Connections {
  const { config, node, limits, access, report, registry, tickets, strikes, onFault, isLate, publish } = deps
  const { server, limits: limitSettings } = config
  const delivery = createDelivery(publish, server.maxBufferedBytes)
  let subscriptions: Subscriptions
  const disconnects = new LRUCache<string, number>({ max: MAX_DISCONNECTS, ttl: config.upgrade.deadlineMs })
  let bannedForMs = (_addressKey: string): number => 0
  const rights = startRights({
    authorizer: access.authorizer,
    periodMs: config.access.recheckMs,
    withdraw: (session, lost) => { subscriptions.withdraw(session, lost) },
    unverifiable: (session) => { endSession(session, UNVERIFIABLE) },
    onFault: (error) => { onFault(error, 'recheck') }
  })
  const stops: Array<() => void> = [rights.stop]
  const endWhere = (matches: (session: Parameters<typeof endSession>[0]) => boolean, refusal: Refusal): void => {
    for (const session of [...registry.all()]) if (matches(session)) endSession(session, refusal)
  }

  function startTimers (context: SessionContext): void {
    const renewal = startRota(registry, limitSettings.leaseMs / RENEWALS_PER_LEASE, (sessions) => {
      const leases = [...sessions].filter(session => !session.vacated).map(session => session.lease)
      for (let i = 0; i < leases.length; i += MAX_RENEWED_PER_CALL) {
        limits.limiter.renew(leases.slice(i, i + MAX_RENEWED_PER_CALL)).catch((error: unknown) => { onFault(error, 'renew') })
      }
    })
    const pings = startRota(registry, server.pingIntervalMs, (sessions) => { for (const session of sessions) session.socket.ping() })
    stops.push(renewal.stop, pings.stop, context.wheel.stop)
  }

  return {
    handlers: {
      onEvent: delivery.deliver,
      onRevoked: (matches) => { endWhere(session => matches(session.identity), refuse('revoked')) },
      onDisconnect: (userId) => {
        // Whoever is about to come in on old rights must not find them remembered.
        access.authorizer.forget()
        disconnects.set(userId, performance.now())
        endWhere(session => session.identity.userId === userId, refuse('disconnected'))
      },
      onBan: (addressKey) => { endWhere(session => session.address.key === addressKey, refuse('banned', { retryAfterMs: bannedForMs(addressKey) })) },
      onRecheck: rights.recheck,
      onList: userId => listLocalConnections(registry, node, userId)
    },
    open (fanout, identity, isDraining) {
      bannedForMs = addressKey => Math.max(fanout.control.bannedForMs(addressKey), strikes.bannedForMs(addressKey))
      subscriptions = createSubscriptions({
        authorizer: access.authorizer,
        bus: fanout.bus,
        inbound: fanout.inbound,
        delivery,
        rights,
        report,
        maxBufferedBytes: server.maxBufferedBytes,
        maxFilterIds: config.upgrade.maxFilterIds,
        subscribesPerS: limitSettings.subscribesPerS
      })
      const { allowList, dryRun } = limitSettings
      const isExempt = (address: ClientAddress): boolean => allowList !== null && isListed(address, allowList)
      const context: SessionContext = {
        node,
        limits: toWelcomeLimits(config),
        maxBufferedBytes: server.maxBufferedBytes,
        keepTokens: access.keepTokens,
        dryRun,
        idleMs: server.idleMs,
        clockToleranceMs: config.tokens.clockToleranceMs,
        registry,
        wheel: startDeadlineWheel((session, nowMs) => { onDue(context, session, nowMs) }),
        limiter: limits.limiter,
        budget: limits.budget,
        identify: identity.identify,
        subscriptions,
        report,
        isExempt
      }
      startTimers(context)
      const bootId = randomBytes(5).toString('hex')
      let connections = 0
      const lifecycle: Lifecycle = createLifecycle({
        settings: config.upgrade,
        limiter: limits.limiter,
        blockedForMs: limits.blockedForMs,
        bannedForMs: (address) => dryRun ? 0 : bannedForMs(address.key),
        isExempt,
        dryRun,
        judgeTicket: tickets.judge,
        identify: identity.identify,
        authorizer: access.authorizer,
        rightsGeneration: () => rights.generation,
        isRevoked: fanout.control.isRevoked,
        wasDisconnected: (userId, sinceMs) => (disconnects.get(userId) ?? -Infinity) >= sinceMs,
        userIsFull: (owner) => !dryRun && registry.countOf(owner) >= limitSettings.userConnections,
        noteUserFull: limits.noteUserFull,
        newConnectionId: () => `${bootId}-${(++connections).toString(36)}`,
        gate: () => {
          if (isDraining()) return RESTARTING
          if (isLate()) return LATE
          return registry.size + lifecycle.pending >= server.maxConnections ? FULL : null
        },
        answerer: createRefusalAnswerer(limitSettings.addressWindowMs),
        report,
        open: createOpenSession(context)
      })
      return lifecycle
    },
    async drain (isUrgent) {
      const { drainMs, maxBufferedBytes } = server
      await drainSessions({ registry, limiter: limits.limiter, tickets, maxBufferedBytes }, drainMs, isUrgent)
    },
    stop () { for (const stop of stops) stop() }
  }
}
