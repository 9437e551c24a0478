import type { ClientAddress } from '../address/client-address.js'
import { refuse, type Refusal } from '../refusals.js'
import { createAddressState } from './address-state.js'
import type { Attempt } from './attempt.js'
import { checkOrigin } from './check-origin.js'
import { decide } from './decide.js'
import { findAddress, type FoundAddress } from './find-address.js'
import { createIntake } from './intake.js'
import type { LifecycleDeps } from './lifecycle-deps.js'
import { isRefusal, readRequest, type UpgradeRequest } from './read-request.js'
import type { RefusedUpgrade } from './report.js'
import { createSettlement, FAULT } from './settle.js'
import type { PendingUpgrade } from './transport.js'

export interface Lifecycle {
  onUpgrade (pending: PendingUpgrade): void
  /** Answers every upgrade under way: the process ends. */
  refusePending (refusal: Refusal): void
  readonly pending: number
  /** Why no upgrade is taken now, from anybody; null: they are. */
  closed (): Refusal | null
}

const OVERLOADED = refuse('overloaded', { retryAfterMs: 1000, detail: 'pending upgrades' })
const NO_WISH = { refuseByClose: false, protocol: '' }

/** Refuses before there is an attempt: nothing is held yet. */
function refuseEarly (
  { answerer, report }: LifecycleDeps, pending: PendingUpgrade, found: FoundAddress, startedMs: number, refusal: Refusal,
  wish: { refuseByClose: boolean, protocol: string }
): null {
  const byClose = answerer.answer(pending, refusal, { ...wish, addressKey: found.address.key })
  report.refused({ ...describeEarly(pending, found, startedMs), byClose }, refusal)
  return null
}

/** What is written of an upgrade before there is an attempt. */
function describeEarly ({ head: { path } }: PendingUpgrade, { address, traceparent }: FoundAddress, startedMs: number): RefusedUpgrade {
  const durationMs = performance.now() - startedMs
  return { address, path, userId: null, issuer: null, durationMs, byClose: false, insecure: false, traceparent }
}

/** What the request shows beside a token, judged; `spared`: its address's window may be full. */
function judgeShown (
  { judgePass, judgeTicket }: LifecycleDeps, { resume, ticket: text }: UpgradeRequest, { key }: ClientAddress, exempt: boolean
) {
  const pass = resume === null || exempt ? null : judgePass(resume, key)
  const ticket = text === null ? null : judgeTicket(text, key)
  return { pass, ticket, redeemed: false, proof: undefined, spared: exempt || pass !== null || (ticket !== null && !isRefusal(ticket)) }
}

/**
 * Runs each upgrade through its steps in the one order that decides which refusal is answered: the way in, here, up to
 * what the request and the process's memory say; then `decide`; then `settle`, whatever the outcome.
 */
export function createLifecycle (deps: LifecycleDeps): Lifecycle {
  const { settings, report } = deps
  const addresses = createAddressState(deps)
  const settlement = createSettlement(deps, addresses, settings.deadlineMs)

  const closed = (): Refusal | null =>
    deps.gate(settlement.size + deps.answerer.lingering) ?? (settlement.size >= settings.maxPending ? OVERLOADED : null)

  /** The way in: what needs neither an issuer nor a store. Null: refused. */
  function enter (pending: PendingUpgrade, startedMs: number): Attempt | null {
    const found = findAddress(pending.head, settings)
    const { address, refusal, untrustedHeader, traceparent } = found
    if (untrustedHeader) report.untrustedForwardedFor(address)
    const early = closed() ?? refusal
    if (early !== null) return refuseEarly(deps, pending, found, startedMs, early, NO_WISH)
    const request = readRequest(pending.head, settings)
    if (isRefusal(request)) return refuseEarly(deps, pending, found, startedMs, request, NO_WISH)
    const exempt = deps.isExempt(address)
    const foreign = checkOrigin(request.origin, request.host, settings)
    // Always by HTTP: any page can have its visitors send these, and a socket that is accepted to be closed takes a place.
    if (foreign !== null) return refuseEarly(deps, pending, found, startedMs, foreign, NO_WISH)
    const banned = addresses.banned(address)
    if (banned !== null) return refuseEarly(deps, pending, found, startedMs, banned, request)
    const { spared, ...shown } = judgeShown(deps, request, address, exempt)
    const over = spared ? null : addresses.overLimit(address)
    if (over !== null) return refuseEarly(deps, pending, found, startedMs, over, request)
    return {
      pending,
      address,
      request,
      startedMs,
      traceparent,
      exempt,
      ...shown,
      settled: false,
      deadline: null,
      identity: null,
      lease: null,
      head: null,
      rightsGeneration: 0
    }
  }

  function begin (pending: PendingUpgrade, startedMs: number): void {
    const attempt = enter(pending, startedMs)
    if (attempt === null) return
    settlement.begin(attempt)
    const fail = (error: unknown): void => { report.fault(error, 'upgrade'); settlement.settle(attempt, FAULT) }
    try {
      decide(deps, attempt).then((outcome) => { settlement.settle(attempt, outcome) }, fail)
    } catch (error) {
      fail(error)
    }
  }

  const intake = createIntake({
    maxPending: settings.maxPending,
    underWay: () => settlement.size,
    begin,
    refuse (pending, startedMs, refusal) { refuseEarly(deps, pending, findAddress(pending.head, settings), startedMs, refusal, NO_WISH) },
    abort (pending, startedMs) { report.aborted(describeEarly(pending, findAddress(pending.head, settings), startedMs)) }
  })

  return {
    onUpgrade: intake.take,
    refusePending (refusal) { for (const held of [intake, settlement]) held.refuseAll(refusal) },
    get pending () { return intake.waiting + settlement.size },
    closed
  }
}
