import type { ClientAddress } from '../address/client-address.js'
import type { HeadAnswer } from '../history/history.js'
import type { Lease, Limiter } from '../limits/limiter.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { AddressState } from './address-state.js'
import type { RefusalAnswerer } from './answer-refusal.js'
import { describe, type Attempt } from './attempt.js'
import { isGranted, type Granted } from './authorize.js'
import type { UpgradeRequest } from './read-request.js'
import type { Report } from './report.js'
import type { PendingUpgrade } from './transport.js'
import { createUpgradeDeadlines } from './upgrade-deadlines.js'

/** An upgrade that everything said yes to, on its way to become a session. */
export interface Admitted {
  readonly request: UpgradeRequest
  readonly address: ClientAddress
  readonly identity: Identity
  readonly granted: Granted
  readonly lease: Lease
  readonly head: HeadAnswer | null
  readonly exempt: boolean
  /** When the upgrade came, before the head was asked for: monotonic, in ms. */
  readonly startedMs: number
  readonly traceparent: string
}

export interface SettleDeps {
  readonly limiter: Pick<Limiter, 'release'>
  /** Orders that an upgrade under way can meet. `sinceMs`: monotonic. */
  readonly isRevoked: (identity: Identity) => boolean
  readonly wasDisconnected: (userId: string, sinceMs: number) => boolean
  readonly answerer: RefusalAnswerer
  readonly report: Pick<Report, 'refused' | 'aborted'>
  /** Completes the handshake; false when the client is gone. From here the session owns the lease. */
  readonly open: (pending: PendingUpgrade, admitted: Admitted, durationMs: number) => boolean
}

/** The attempts under way, and the one exit of each. */
export interface Settlement {
  /** Starts an attempt's deadline and hears of its client's leaving: from here it ends by `settle` only. */
  begin (attempt: Attempt): void
  /** The first outcome is answered; any later one only gives back what it brought. */
  settle (attempt: Attempt, outcome: Granted | Refusal): void
  /** Answers every attempt under way. */
  refuseAll (refusal: Refusal): void
  readonly size: number
}

const OVERDUE = refuse('unavailable', { retryAfterMs: 1000, detail: 'deadline' })
const REVOKED = refuse('revoked')
const DISCONNECTED = refuse('forbidden', { detail: 'disconnected' })
/** The outcome of an attempt in which something threw. */
export const FAULT = refuse('unavailable', { retryAfterMs: 1000, detail: 'fault' })

/** `deadlineMs`: from the beginning of an attempt to its refusal. */
export function createSettlement (deps: SettleDeps, addresses: AddressState, deadlineMs: number): Settlement {
  const { limiter, report } = deps
  const deadlines = createUpgradeDeadlines<Attempt>(deadlineMs, (attempt) => { settle(attempt, OVERDUE) })

  function settle (attempt: Attempt, outcome: Granted | Refusal): void {
    if (attempt.settled) return giveBack(attempt)
    end(attempt)
    const { pending, request, address, exempt, identity, lease, head, startedMs, traceparent } = attempt
    const durationMs = performance.now() - attempt.startedMs
    const overtaken = isGranted(outcome) && identity !== null ? overtakenBy(attempt, identity) : null
    if (isGranted(outcome) && overtaken === null && identity !== null && lease !== null) {
      attempt.lease = null
      const admitted = { request, address, exempt, identity, granted: outcome, lease, head, startedMs, traceparent }
      if (deps.open(pending, admitted, durationMs)) return
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
    return addresses.banned(address)
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
    if (attempt.lease !== null) limiter.release(attempt.lease)
    attempt.lease = null
  }

  return {
    begin (attempt) {
      attempt.pending.onAborted = () => { abort(attempt) }
      attempt.deadline = deadlines.add(attempt, attempt.startedMs)
    },
    settle,
    refuseAll (refusal) { for (const attempt of deadlines.all()) settle(attempt, refusal) },
    get size () { return deadlines.size }
  }
}
