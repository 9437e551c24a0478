import type { ClientAddress } from '../address/client-address.js'
import type { AddressState } from '../connection/address-state.js'
import type { Identify } from '../connection/identify.js'
import type { RefusedUpgrade, Report } from '../connection/report.js'
import type { Limiter } from '../limits/limiter.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import { refuse, type Refusal } from '../refusals.js'
import { checkProof, PROOF_MEMORY_MS, type Proof } from '../tokens/dpop-proof.js'
import type { Identity } from '../tokens/identity.js'
import { findTarget, type TargetFacts, type TargetSettings } from './find-target.js'
import { readAuthorization, type PresentedToken } from './read-authorization.js'
import type { TicketStore } from './ticket-store.js'
import type { Tickets } from './tickets.js'

export const TICKETS_PATH = '/v1/tickets'

/** Who asks for a ticket. */
export interface TicketRequest extends TargetFacts {
  readonly address: ClientAddress
}

/** Where tickets are asked for, once the origin may. */
export interface TicketDesk {
  /** A ticket, or why not. Written down and counted. Never rejects. */
  ask (request: TicketRequest): Promise<string | Refusal>
  /** Writes down that the origin may not ask. */
  noteForeign (request: TicketRequest, refusal: Refusal): void
}

export interface TicketDeskDeps {
  readonly target: TargetSettings
  /** From a request to its answer, in ms. */
  readonly deadlineMs: number
  /** Requests under way at once. */
  readonly maxPending: number
  /** As for upgrades. */
  readonly gate: (pending: number) => Refusal | null
  readonly addresses: AddressState
  readonly isExempt: (address: ClientAddress) => boolean
  readonly dryRun: boolean
  readonly limiter: Pick<Limiter, 'admit'>
  readonly identify: Pick<Identify, 'wait'>
  readonly tickets: Pick<Tickets, 'issue'>
  readonly proofs: Pick<TicketStore, 'noteProof'>
  readonly report: Pick<Report, 'ticketRefused' | 'wouldRefuse' | 'fault'>
}

/** One request under way, and what is written of it. */
interface Asking {
  readonly request: TicketRequest
  readonly startedMs: number
  identity: Identity | null
}

const OVERLOADED = refuse('overloaded', { retryAfterMs: 1000, detail: 'pending ticket requests' })
const AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'tickets' })
const OVERDUE = refuse('unavailable', { retryAfterMs: 1000, detail: 'deadline' })
const LIMITS_AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'limits' })
const NO_ISSUER = refuse('unavailable', { retryAfterMs: 1000, detail: 'keys_unavailable' })
const NOT_BOUND = refuse('invalid_token', { detail: 'sender_constrained: the token is bound to no key' })

function describe ({ request: { address }, startedMs, identity }: Asking): RefusedUpgrade {
  const [userId, issuer] = [identity?.userId ?? null, identity?.issuer ?? null]
  return { address, path: TICKETS_PATH, userId, issuer, durationMs: performance.now() - startedMs, byClose: false, insecure: false }
}

/** A request for a ticket is an attempt of its address: the upgrade that comes with the ticket is not counted again. */
async function enter (deps: TicketDeskDeps, asking: Asking, pending: number): Promise<Refusal | null> {
  const { addresses, report } = deps
  const { address } = asking.request
  const closed = deps.gate(pending) ?? (pending > deps.maxPending ? OVERLOADED : null) ?? addresses.banned(address)
  if (closed !== null) return closed
  if (deps.isExempt(address)) return null
  const over = addresses.overLimit(address)
  if (over !== null) return over
  const admission = await deps.limiter.admit({ address: address.key, lease: null }).catch(() => null)
  if (admission === null) return LIMITS_AWAY
  if (admission.admitted) return null
  const refusal = refuse('ip_rate_limited', { retryAfterMs: admission.retryAfterMs })
  if (!deps.dryRun) return refusal
  report.wouldRefuse(describe(asking), refusal)
  return null
}

/** Makes the desk. What costs nothing comes first: no key and no store is asked for an address that is over its limit. */
export function createTicketDesk (deps: TicketDeskDeps): TicketDesk {
  const { report, tickets } = deps
  let pending = 0

  async function serve (asking: Asking): Promise<string | Refusal> {
    const presented = readAuthorization(asking.request.headers.get('authorization'))
    if ('name' in presented && presented.name === 'bad_request') return presented
    const refused = await enter(deps, asking, pending)
    if (refused !== null) return refused
    if ('name' in presented) return presented
    return presented.scheme === 'dpop' ? await serveProven(asking, presented) : await give(asking, presented.token, undefined)
  }

  /** The proof is noted last: what is refused for another reason may be asked for again with the same. */
  async function serveProven (asking: Asking, { token }: PresentedToken): Promise<string | Refusal> {
    const { headers } = asking.request
    const target = findTarget(TICKETS_PATH, asking.request, deps.target)
    if (target === null) return refuse('invalid_token', { detail: 'dpop: htu' })
    const proof = checkProof(headers.get('dpop') ?? '', { method: 'POST', target, token, nowMs: Date.now() })
    if (typeof proof === 'string') return refuse('invalid_token', { detail: `dpop: ${headers.has('dpop') ? proof : 'missing'}` })
    return await give(asking, token, proof)
  }

  async function give (asking: Asking, token: string, proof: Proof | undefined): Promise<string | Refusal> {
    const shown = proof === undefined ? {} : { jkt: proof.jkt }
    const who = await deps.identify.wait(token, shown)
    if ('name' in who) return who
    // Break-glass lets people in without a token: there is none to give a ticket for.
    if (who.insecure) return NO_ISSUER
    asking.identity = who
    if (proof !== undefined && who.confirmation === null) return NOT_BOUND
    try {
      if (proof !== undefined && !await deps.proofs.noteProof(proof.id, PROOF_MEMORY_MS)) return refuse('invalid_token', { detail: 'dpop: jti' })
      return await tickets.issue({ token, ...shown }, asking.request.address.key) ?? AWAY
    } catch {
      return AWAY
    }
  }

  return {
    async ask (request) {
      const asking: Asking = { request, startedMs: performance.now(), identity: null }
      pending++
      const work = serve(asking).catch((error: unknown): Refusal => {
        report.fault(error, 'tickets')
        return AWAY
      })
      const outcome = await waitAtMost(work, deps.deadlineMs, 'a ticket').catch(() => OVERDUE)
      pending--
      if (typeof outcome !== 'string') report.ticketRefused(describe(asking), outcome)
      return outcome
    },
    noteForeign (request, refusal) {
      report.ticketRefused(describe({ request, startedMs: performance.now(), identity: null }), refusal)
    }
  }
}
