import type { ClientAddress } from '../address/client-address.js'
import { refuse, type Refusal } from '../refusals.js'
import { createAddressState } from './address-state.js'
import type { Attempt } from './attempt.js'
import { checkOrigin } from './check-origin.js'
import { decide } from './decide.js'
import { findAddress } from './find-address.js'
import type { LifecycleDeps } from './lifecycle-deps.js'
import { isRefusal, readRequest } from './read-request.js'
import { createSettlement, FAULT } from './settle.js'
import type { PendingUpgrade } from './transport.js'

export interface Lifecycle {
  onUpgrade (pending: PendingUpgrade): void
  /** Answers every upgrade under way: the process ends. */
  refusePending (refusal: Refusal): void
  readonly pending: number
}

const OVERLOADED = refuse('overloaded', { retryAfterMs: 1000, detail: 'pending upgrades' })
const NO_WISH = { refuseByClose: false, protocol: '' }

/**
 * Runs each upgrade through its steps in the one order that decides which refusal is answered: the way in, here, up to
 * what the request and the process's memory say; then `decide`; then `settle`, whatever the outcome.
 */
export function createLifecycle (deps: LifecycleDeps): Lifecycle {
  const { settings, report } = deps
  const addresses = createAddressState(deps)
  const settlement = createSettlement(deps, addresses, settings.deadlineMs)

  /** Refuses before there is an attempt: nothing is held yet. */
  function refuseEarly (
    pending: PendingUpgrade, address: ClientAddress, startedMs: number, refusal: Refusal, wish: { refuseByClose: boolean, protocol: string }
  ): null {
    const byClose = deps.answerer.answer(pending, refusal, { ...wish, addressKey: address.key })
    const durationMs = performance.now() - startedMs
    report.refused({ address, path: pending.head.path, userId: null, issuer: null, durationMs, byClose, insecure: false }, refusal)
    return null
  }

  /** The way in: what needs neither an issuer nor a store. Null: refused. */
  function enter (pending: PendingUpgrade): Attempt | null {
    const startedMs = performance.now()
    const { address, refusal, untrustedHeader } = findAddress(pending.head, settings)
    if (untrustedHeader) report.untrustedForwardedFor(address)
    const places = settlement.size + deps.answerer.lingering
    const closed = deps.gate(places) ?? (settlement.size >= settings.maxPending ? OVERLOADED : null) ?? refusal
    if (closed !== null) return refuseEarly(pending, address, startedMs, closed, NO_WISH)
    const request = readRequest(pending.head, settings)
    if (isRefusal(request)) return refuseEarly(pending, address, startedMs, request, NO_WISH)
    const exempt = deps.isExempt(address)
    const foreign = checkOrigin(request.origin, request.host, settings)
    // Always by HTTP: any page can have its visitors send these, and a socket that is accepted to be closed takes a place.
    if (foreign !== null) return refuseEarly(pending, address, startedMs, foreign, NO_WISH)
    const banned = addresses.banned(address)
    if (banned !== null) return refuseEarly(pending, address, startedMs, banned, request)
    const ticket = request.resume === null || exempt ? null : deps.judgeTicket(request.resume, address.key)
    const over = exempt || ticket !== null ? null : addresses.overLimit(address)
    if (over !== null) return refuseEarly(pending, address, startedMs, over, request)
    return {
      pending,
      address,
      request,
      startedMs,
      exempt,
      ticket,
      settled: false,
      deadline: null,
      identity: null,
      lease: null,
      head: null,
      rightsGeneration: 0
    }
  }

  function onUpgrade (pending: PendingUpgrade): void {
    const attempt = enter(pending)
    if (attempt === null) return
    settlement.begin(attempt)
    const fail = (error: unknown): void => { report.fault(error, 'upgrade'); settlement.settle(attempt, FAULT) }
    try {
      decide(deps, attempt).then((outcome) => { settlement.settle(attempt, outcome) }, fail)
    } catch (error) {
      fail(error)
    }
  }

  return {
    onUpgrade,
    refusePending: settlement.refuseAll,
    get pending () { return settlement.size }
  }
}
