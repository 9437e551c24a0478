import type { ClientAddress } from '../address/client-address.js'
import type { Authorizer } from '../access/authorizer.js'
import type { UpgradeSettings } from '../config/config.js'
import type { Admission, Lease, Limiter } from '../limits/limiter.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { RefusalAnswerer } from './answer-refusal.js'
import { authorize, isGranted, type Granted } from './authorize.js'
import { checkOrigin } from './check-origin.js'
import { findAddress } from './find-address.js'
import { isIdentity, type Identify } from './identify.js'
import { isRefusal, readRequest, type UpgradeRequest } from './read-request.js'
import type { RefusedUpgrade, Report } from './report.js'
import type { PendingUpgrade } from './transport.js'
import { createUpgradeDeadlines } from './upgrade-deadlines.js'

/** An upgrade that everything said yes to, on its way to become a session. */
export interface Admitted {
  readonly request: UpgradeRequest
  readonly address: ClientAddress
  readonly identity: Identity
  readonly granted: Granted
  readonly lease: Lease
}

export interface LifecycleDeps {
  readonly settings: UpgradeSettings
  readonly limiter: Limiter
  /** Ms for which an address is known to be over its limit; 0: not known to be. */
  readonly blockedForMs: (addressKey: string) => number
  readonly bannedForMs: (address: ClientAddress) => number
  /** On the allow list: the address limits do not apply. */
  readonly isExempt: (address: ClientAddress) => boolean
  /** The address and user limits are decided and written down, but let through. */
  readonly dryRun: boolean
  readonly identify: Identify
  readonly authorizer: Authorizer
  /** Live sockets of a lease owner in this process are at the limit already. */
  readonly userIsFull: (leaseUserId: string) => boolean
  readonly newConnectionId: () => string
  /** A reason to take nobody in right now: draining, overloaded. */
  readonly gate: () => Refusal | null
  readonly answerer: RefusalAnswerer
  readonly report: Report
  /** Completes the handshake; false when the client is gone. From here the session owns the lease. */
  readonly open: (pending: PendingUpgrade, admitted: Admitted, durationMs: number) => boolean
}

export interface Lifecycle {
  onUpgrade (pending: PendingUpgrade): void
  readonly pending: number
}

/** An upgrade under way. What it holds is given back when it ends in anything but a session. */
interface Attempt {
  readonly pending: PendingUpgrade
  readonly address: ClientAddress
  readonly request: UpgradeRequest
  readonly startedMs: number
  readonly exempt: boolean
  /** Answered, aborted or overdue: whatever arrives later only gives back. */
  settled: boolean
  identity: Identity | null
  lease: Lease | null
}

const USER_FULL = refuse('user_connection_limit', { retryAfterMs: 5000 })
const OVERDUE = refuse('unavailable', { retryAfterMs: 1000, detail: 'deadline' })
const FAULT = refuse('unavailable', { retryAfterMs: 1000, detail: 'fault' })
const LIMITS_AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'limits' })
const ACCESS_AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'access' })
const OVERLOADED = refuse('overloaded', { retryAfterMs: 1000, detail: 'pending upgrades' })
const NO_WISH = { refuseByClose: false, protocol: '' }
/** No token can hold NUL in its subject, so no user can take or fill these slots. */
const anonymousOwner = (addressKey: string): string => `anonymous\0${addressKey}`

/** Runs each upgrade through its steps in the one order that decides which refusal is answered. */
export function createLifecycle (deps: LifecycleDeps): Lifecycle {
  const { settings, report } = deps
  const deadlines = createUpgradeDeadlines<Attempt>(settings.deadlineMs, (attempt) => { settle(attempt, OVERDUE) })

  function refuseEarly (
    pending: PendingUpgrade, address: ClientAddress, startedMs: number, refusal: Refusal, wish: { refuseByClose: boolean, protocol: string }
  ): void {
    const byClose = deps.answerer.answer(pending, refusal, { ...wish, addressKey: address.key })
    const durationMs = performance.now() - startedMs
    report.refused({ address, path: pending.head.path, userId: null, issuer: null, durationMs, byClose }, refusal)
  }

  function onUpgrade (pending: PendingUpgrade): void {
    const startedMs = performance.now()
    const { address, refusal, untrustedHeader } = findAddress(pending.head, settings)
    if (untrustedHeader) report.untrustedForwardedFor(address)
    const closed = deps.gate() ?? (deadlines.size >= settings.maxPending ? OVERLOADED : null) ?? refusal
    if (closed !== null) return refuseEarly(pending, address, startedMs, closed, NO_WISH)
    const request = readRequest(pending.head, settings)
    if (isRefusal(request)) return refuseEarly(pending, address, startedMs, request, NO_WISH)
    const exempt = deps.isExempt(address)
    const early = checkOrigin(request.origin, request.host, settings) ?? knownToBeOver(address, exempt)
    if (early !== null) return refuseEarly(pending, address, startedMs, early, request)

    const attempt: Attempt = { pending, address, request, startedMs, exempt, settled: false, identity: null, lease: null }
    pending.onAborted = () => { abort(attempt) }
    deadlines.add(attempt)
    decide(attempt).then(
      (outcome) => { settle(attempt, outcome) },
      (error: unknown) => { report.fault(error, 'upgrade'); settle(attempt, FAULT) }
    )
  }

  /** What this process knows of the address already: needs neither Redis nor cryptography. */
  function knownToBeOver (address: ClientAddress, exempt: boolean): Refusal | null {
    const bannedMs = deps.bannedForMs(address)
    if (bannedMs > 0) return refuse('banned', { retryAfterMs: bannedMs })
    const blockedMs = exempt ? 0 : deps.blockedForMs(address.key)
    return blockedMs > 0 ? refuse('ip_rate_limited', { retryAfterMs: blockedMs }) : null
  }

  async function decide (attempt: Attempt): Promise<Granted | Refusal> {
    const { request } = attempt
    const who = deps.identify.now(request.token)
    const asksBackEnd = !deps.authorizer.local && (request.agents !== null || request.tasks !== null)
    if (who === null || (isIdentity(who) && asksBackEnd)) return await decideRemotely(attempt)
    // Everything but the limits is decided here and now, so address and slot go in one call.
    const granted = isIdentity(who) ? await permit(attempt, who) : who
    const full = isGranted(granted) && isIdentity(who) && deps.userIsFull(leaseOwner(attempt, who))
    const lease = isGranted(granted) && isIdentity(who) && !full ? newLease(attempt, who) : null
    const refusal = await admit(attempt, attempt.exempt ? null : attempt.address.key, lease)
    return refusal ?? (full ? USER_FULL : granted)
  }

  /** An issuer or a database must be asked, and nobody asks them for an address that is over its limit. */
  async function decideRemotely (attempt: Attempt): Promise<Granted | Refusal> {
    const limited = await admit(attempt, attempt.exempt ? null : attempt.address.key, null)
    if (limited !== null) return limited
    const who = await deps.identify.wait(attempt.request.token)
    if (!isIdentity(who)) return who
    if (attempt.settled) return OVERDUE
    const granted = await permit(attempt, who)
    if (!isGranted(granted)) return granted
    if (attempt.settled) return OVERDUE
    if (deps.userIsFull(leaseOwner(attempt, who))) return USER_FULL
    return await admit(attempt, null, newLease(attempt, who)) ?? granted
  }

  async function permit (attempt: Attempt, who: Identity): Promise<Granted | Refusal> {
    attempt.identity = who
    try {
      return await authorize(deps.authorizer, who, attempt.request.token ?? '', attempt.request)
    } catch {
      return ACCESS_AWAY
    }
  }

  /** Asks the limits; on yes the attempt holds the lease, also when it was settled meanwhile. */
  async function admit (attempt: Attempt, address: string | null, lease: Lease | null): Promise<Refusal | null> {
    if (address === null && lease === null) return null
    let admission: Admission
    try {
      admission = await deps.limiter.admit({ address, lease })
    } catch {
      // It may have been taken by a store whose answer was lost.
      if (lease !== null) deps.limiter.release(lease)
      return LIMITS_AWAY
    }
    if (!admission.admitted) {
      const refusal = refuse(admission.limit === 'address' ? 'ip_rate_limited' : 'user_connection_limit', { retryAfterMs: admission.retryAfterMs })
      if (!deps.dryRun) return refusal
      report.wouldRefuse(describe(attempt, performance.now() - attempt.startedMs, false), refusal)
    }
    attempt.lease = lease
    return null
  }

  const leaseOwner = (attempt: Attempt, who: Identity): string => who.insecure ? anonymousOwner(attempt.address.key) : who.userId
  const newLease = (attempt: Attempt, who: Identity): Lease => ({ userId: leaseOwner(attempt, who), connectionId: deps.newConnectionId() })

  /** The one exit of every attempt: the first outcome is answered, any later one only gives back. */
  function settle (attempt: Attempt, outcome: Granted | Refusal): void {
    if (attempt.settled) return giveBack(attempt)
    attempt.settled = true
    deadlines.remove(attempt)
    const { pending, request, address, identity, lease } = attempt
    const durationMs = performance.now() - attempt.startedMs
    if (isGranted(outcome) && identity !== null && lease !== null) {
      attempt.lease = null
      if (deps.open(pending, { request, address, identity, granted: outcome, lease }, durationMs)) return
      attempt.lease = lease
      report.aborted(describe(attempt, durationMs, false))
    } else {
      const refusal = isGranted(outcome) ? FAULT : outcome
      const byClose = deps.answerer.answer(pending, refusal, { ...request, addressKey: address.key })
      report.refused(describe(attempt, durationMs, byClose), refusal)
    }
    giveBack(attempt)
  }

  function abort (attempt: Attempt): void {
    if (attempt.settled) return
    attempt.settled = true
    deadlines.remove(attempt)
    report.aborted(describe(attempt, performance.now() - attempt.startedMs, false))
    giveBack(attempt)
  }

  function giveBack (attempt: Attempt): void {
    if (attempt.lease !== null) deps.limiter.release(attempt.lease)
    attempt.lease = null
  }

  function describe ({ address, request, identity }: Attempt, durationMs: number, byClose: boolean): RefusedUpgrade {
    return { address, path: request.path, userId: identity?.userId ?? null, issuer: identity?.issuer ?? null, durationMs, byClose }
  }

  return { onUpgrade, get pending () { return deadlines.size } }
}
