import type { ClientAddress } from '../address/client-address.js'
import type { Admission, Lease, Resume } from '../limits/limiter.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import { describe, type Attempt } from './attempt.js'
import { authorize, isGranted, type Granted } from './authorize.js'
import { checkOrigin } from './check-origin.js'
import { findAddress } from './find-address.js'
import { isIdentity } from './identify.js'
import { ConnectionLease, leaseOwner } from './lease-record.js'
import type { LifecycleDeps } from './lifecycle-deps.js'
import { isRefusal, readRequest } from './read-request.js'
import type { PendingUpgrade } from './transport.js'
import { createUpgradeDeadlines } from './upgrade-deadlines.js'

export interface Lifecycle {
  onUpgrade (pending: PendingUpgrade): void
  /** Answers every upgrade under way: the process ends. */
  refusePending (refusal: Refusal): void
  readonly pending: number
}

const USER_FULL = refuse('user_connection_limit', { retryAfterMs: 5000 })
const OVERDUE = refuse('unavailable', { retryAfterMs: 1000, detail: 'deadline' })
const REVOKED = refuse('revoked')
const DISCONNECTED = refuse('forbidden', { detail: 'disconnected' })
const FAULT = refuse('unavailable', { retryAfterMs: 1000, detail: 'fault' })
const LIMITS_AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'limits' })
const ACCESS_AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'access' })
const OVERLOADED = refuse('overloaded', { retryAfterMs: 1000, detail: 'pending upgrades' })
/** Rights that change more often than this during one upgrade are a fault of the back end. */
const MAX_PERMIT_TRIES = 5
/** The answer to an attempt that neither limit is asked about. */
const UNLIMITED: Promise<null> = Promise.resolve(null)
const NO_WISH = { refuseByClose: false, protocol: '' }

/** Runs each upgrade through its steps in the one order that decides which refusal is answered. */
export function createLifecycle (deps: LifecycleDeps): Lifecycle {
  const { settings, report } = deps
  const deadlines = createUpgradeDeadlines<Attempt>(settings.deadlineMs, (attempt) => { settle(attempt, OVERDUE) })

  function refuseEarly (
    pending: PendingUpgrade, address: ClientAddress, startedMs: number, refusal: Refusal, wish: { refuseByClose: boolean, protocol: string }
  ): void {
    const byClose = deps.answerer.answer(pending, refusal, { ...wish, addressKey: address.key })
    const durationMs = performance.now() - startedMs
    report.refused({ address, path: pending.head.path, userId: null, issuer: null, durationMs, byClose, insecure: false }, refusal)
  }

  function onUpgrade (pending: PendingUpgrade): void {
    const startedMs = performance.now()
    const { address, refusal, untrustedHeader } = findAddress(pending.head, settings)
    if (untrustedHeader) report.untrustedForwardedFor(address)
    const closed = deps.gate(deadlines.size) ?? (deadlines.size >= settings.maxPending ? OVERLOADED : null) ?? refusal
    if (closed !== null) return refuseEarly(pending, address, startedMs, closed, NO_WISH)
    const request = readRequest(pending.head, settings)
    if (isRefusal(request)) return refuseEarly(pending, address, startedMs, request, NO_WISH)
    const exempt = deps.isExempt(address)
    const barred = checkOrigin(request.origin, request.host, settings) ?? bannedNow(address)
    if (barred !== null) return refuseEarly(pending, address, startedMs, barred, request)
    const ticket = request.resume === null || exempt ? null : deps.judgeTicket(request.resume, address.key)
    const over = exempt || ticket !== null ? null : knownToBeOver(address)
    if (over !== null) return refuseEarly(pending, address, startedMs, over, request)

    const attempt: Attempt = {
      pending, address, request, startedMs, exempt, ticket, settled: false, deadline: null, identity: null, lease: null, rightsGeneration: 0
    }
    pending.onAborted = () => { abort(attempt) }
    attempt.deadline = deadlines.add(attempt)
    const fail = (error: unknown): void => { report.fault(error, 'upgrade'); settle(attempt, FAULT) }
    try {
      decide(attempt).then((outcome) => { settle(attempt, outcome) }, fail)
    } catch (error) {
      fail(error)
    }
  }

  /** What this process knows of the address already: needs neither Redis nor cryptography. */
  function knownToBeOver (address: ClientAddress): Refusal | null {
    const blockedMs = deps.blockedForMs(address.key)
    return blockedMs > 0 ? refuse('ip_rate_limited', { retryAfterMs: blockedMs }) : null
  }

  function bannedNow (address: ClientAddress): Refusal | null {
    const bannedMs = deps.bannedForMs(address)
    return bannedMs > 0 ? refuse('banned', { retryAfterMs: bannedMs }) : null
  }

  /** May throw. Not async, nor is `admit`: every upgrade waits here, and what each such function keeps meanwhile outlives a scavenge. */
  function decide (attempt: Attempt): Promise<Granted | Refusal> {
    const { request } = attempt
    const who = deps.identify.now(request.token)
    const asksBackEnd = !deps.authorizer.local && (request.agents !== null || request.tasks !== null)
    if (who === null || (isIdentity(who) && asksBackEnd)) return decideRemotely(attempt)
    const granted = isIdentity(who) ? permit(attempt, who) : who
    return granted instanceof Promise ? granted.then(answer => decideLimits(attempt, who, answer)) : decideLimits(attempt, who, granted)
  }

  /** Everything but the limits is decided, so address and slot go in one call. */
  function decideLimits (attempt: Attempt, who: Identity | Refusal, granted: Granted | Refusal): Promise<Granted | Refusal> {
    const full = isGranted(granted) && isIdentity(who) && deps.userIsFull(leaseOwner(who, attempt.address))
    const lease = isGranted(granted) && isIdentity(who) && !full ? newLease(attempt, who) : null
    return admit(attempt, countedAddress(attempt), lease, ticketOf(attempt, who))
      .then(refusal => refusal ?? (full ? refuseFull() : granted))
  }

  function refuseFull (): Refusal {
    deps.noteUserFull()
    return USER_FULL
  }

  /** A ticket spares the address's limit beside a verified token of its own user; else it is as if there were none. */
  const ticketOf = ({ ticket }: Attempt, who: Identity | Refusal): Resume | null =>
    ticket !== null && isIdentity(who) && ticket.isFor(who) ? ticket.resume : null
  const countedAddress = ({ exempt, address }: Attempt): string | null => exempt ? null : address.key

  /**
   * An issuer or a database must be asked, and nobody asks them for an address that is over its limit. With a ticket, which
   * its holder may show a few times only, the token comes first: a ticket is spent beside a verified token, not before.
   */
  async function decideRemotely (attempt: Attempt): Promise<Granted | Refusal> {
    const early = attempt.ticket === null ? null : await deps.identify.wait(attempt.request.token)
    if (attempt.settled) return OVERDUE
    const limited = await admit(attempt, countedAddress(attempt), null, early === null ? null : ticketOf(attempt, early))
    if (limited !== null) return limited
    const who = early ?? await deps.identify.wait(attempt.request.token)
    if (!isIdentity(who)) return who
    if (attempt.settled) return OVERDUE
    const granted = await permit(attempt, who)
    if (!isGranted(granted)) return granted
    if (attempt.settled) return OVERDUE
    if (deps.userIsFull(leaseOwner(who, attempt.address))) return refuseFull()
    return await admit(attempt, null, newLease(attempt, who)) ?? await stillGranted(attempt, who, granted)
  }

  /** Rights may have been said to change while the slot was asked for: then what was answered before is asked again, from no cache. */
  async function stillGranted (attempt: Attempt, who: Identity, granted: Granted | Refusal): Promise<Granted | Refusal> {
    for (let tries = 0; isGranted(granted) && attempt.rightsGeneration !== deps.rightsGeneration(); tries++) {
      if (tries === MAX_PERMIT_TRIES) return ACCESS_AWAY
      granted = await permit(attempt, who, true)
    }
    return granted
  }

  function permit (attempt: Attempt, who: Identity, fresh = false): Granted | Refusal | Promise<Granted | Refusal> {
    attempt.identity = who
    attempt.rightsGeneration = deps.rightsGeneration()
    try {
      const granted = authorize(deps.authorizer, who, attempt.request.token ?? '', attempt.request, fresh)
      return granted instanceof Promise ? granted.catch(() => ACCESS_AWAY) : granted
    } catch {
      return ACCESS_AWAY
    }
  }

  /** Asks the limits; on yes the attempt holds the lease, also when it was settled meanwhile. */
  function admit (attempt: Attempt, address: string | null, lease: Lease | null, resume: Resume | null = null): Promise<Refusal | null> {
    if (address === null && lease === null) return UNLIMITED
    return deps.limiter.admit({ address, resume, lease }).then(admission => takeAdmission(attempt, lease, admission), () => {
      // It may have been taken by a store whose answer was lost.
      if (lease !== null) deps.limiter.release(lease)
      return LIMITS_AWAY
    })
  }

  function takeAdmission (attempt: Attempt, lease: Lease | null, admission: Admission): Refusal | null {
    if (!admission.admitted) {
      const refusal = refuse(admission.limit === 'address' ? 'ip_rate_limited' : 'user_connection_limit', { retryAfterMs: admission.retryAfterMs })
      if (!deps.dryRun) return refusal
      report.wouldRefuse(describe(attempt, performance.now() - attempt.startedMs, false), refusal)
    }
    attempt.lease = lease
    return null
  }

  const newLease = ({ address, request }: Attempt, who: Identity): Lease =>
    new ConnectionLease(deps.newConnectionId(), who, address, request.path, Date.now())

  /** The one exit of every attempt: the first outcome is answered, any later one only gives back. */
  function settle (attempt: Attempt, outcome: Granted | Refusal): void {
    if (attempt.settled) return giveBack(attempt)
    end(attempt)
    const { pending, request, address, identity, lease } = attempt
    const durationMs = performance.now() - attempt.startedMs
    const overtaken = isGranted(outcome) && identity !== null ? overtakenBy(attempt, identity) : null
    if (isGranted(outcome) && overtaken === null && identity !== null && lease !== null) {
      attempt.lease = null
      if (deps.open(pending, { request, address, identity, granted: outcome, lease }, durationMs)) return
      attempt.lease = lease
      report.aborted(describe(attempt, durationMs, false))
    } else {
      const refusal = overtaken ?? (isGranted(outcome) ? FAULT : outcome)
      const byClose = deps.answerer.answer(pending, refusal, { ...request, addressKey: address.key })
      report.refused(describe(attempt, durationMs, byClose), refusal)
    }
    giveBack(attempt)
  }

  /** An order that came while the attempt was under way found no connection to end: it counts now, in the same turn that opens one. */
  function overtakenBy ({ address, startedMs }: Attempt, identity: Identity): Refusal | null {
    if (deps.isRevoked(identity)) return REVOKED
    if (deps.wasDisconnected(identity.userId, startedMs)) return DISCONNECTED
    return bannedNow(address)
  }

  function abort (attempt: Attempt): void {
    if (attempt.settled) return
    end(attempt)
    report.aborted(describe(attempt, performance.now() - attempt.startedMs, false))
    giveBack(attempt)
  }

  function end (attempt: Attempt): void {
    attempt.settled = true
    if (attempt.deadline !== null) deadlines.remove(attempt.deadline)
  }

  function giveBack (attempt: Attempt): void {
    if (attempt.lease !== null) deps.limiter.release(attempt.lease)
    attempt.lease = null
  }

  return {
    onUpgrade,
    refusePending (refusal) { for (const attempt of deadlines.all()) settle(attempt, refusal) },
    get pending () { return deadlines.size }
  }
}
