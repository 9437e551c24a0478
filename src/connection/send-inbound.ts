import type { Inbound } from '../bus/inbound.js'
import { mapKinds } from '../kinds.js'
import { refuse, type Refusal } from '../refusals.js'
import { CLAIM_TYPE } from '../tokens/claim-types.js'
import type { Identity } from '../tokens/identity.js'
import { JsonText } from '../wire/json-text.js'
import type { SendFrame } from '../wire/frames.js'
import { sendError } from './answer-frame.js'
import { isGranted, type Filters } from './authorize.js'
import { permitSession, type PermitDeps } from './permit-session.js'
import type { Report } from './report.js'
import { sendFrame } from './send-end-close.js'
import type { Session } from './session.js'

export interface SendInboundDeps extends PermitDeps {
  readonly inbound: Pick<Inbound, 'append'>
  readonly report: Pick<Report, 'accessDenied'>
  readonly maxBufferedBytes: number
}

const UNAVAILABLE = refuse('unavailable', { retryAfterMs: 1000 })
const FULL = refuse('overloaded', { retryAfterMs: 5000, message: 'the inbound stream is full' })
const USER_FULL = refuse('too_many_requests', { retryAfterMs: 5000, message: 'too much of yours waits for the back end' })
/** By what the token lacks: clients are told the name alone. */
const FORBIDDEN = { scope: refuse('forbidden', { detail: 'scope' }), insecure: refuse('forbidden', { detail: 'insecure' }) } as const
/** How an outcome that is not `stored` is told. */
const REFUSALS_BY_OUTCOME = { full: FULL, user_full: USER_FULL, unavailable: UNAVAILABLE } as const

/** Why the token lets its user send nothing, whatever it may read; null: it lets it. */
function findLack ({ scopes, insecure }: Identity): keyof typeof FORBIDDEN | null {
  if (insecure) return 'insecure'
  return scopes.has('ws:send') ? null : 'scope'
}

function forbid (lack: keyof typeof FORBIDDEN, { scopeMistake }: Identity): Refusal {
  if (lack !== 'scope' || scopeMistake === undefined) return FORBIDDEN[lack]
  return refuse('forbidden', { detail: `${CLAIM_TYPE}: ${scopeMistake}` })
}

/** Whether the token lets its user send, to whatever it may read. */
export function maySend (identity: Identity): boolean {
  return findLack(identity) === null
}

/** Hands a client's message to the back end, if its user may see the target and may send, and answers the frame. */
export async function sendInbound (deps: SendInboundDeps, session: Session, frame: SendFrame): Promise<void> {
  const { inbound, report, maxBufferedBytes } = deps
  const { id, to, data, traceparent } = frame
  // Without data: the token had no such scope when the frame came.
  const lack = findLack(session.identity) ?? (data.length > 0 ? null : 'scope')
  const granted = lack === null ? await permitSession(deps, session, filtersFor(to)) : forbid(lack, session.identity)
  if (session.ending !== null) return
  if (!isGranted(granted)) {
    if (granted.name === 'forbidden') report.accessDenied(session, [to], granted.detail)
    return sendError(session, id, granted, maxBufferedBytes)
  }
  const message = {
    connectionId: session.connectionId, userId: session.identity.userId, to, data: JsonText.ofChecked(data), ts: new Date(), id, traceparent
  }
  const outcome = await inbound.append(message).catch(() => 'unavailable' as const)
  if (outcome === 'stored') sendFrame(session, { type: 'sent', id }, maxBufferedBytes)
  else sendError(session, id, REFUSALS_BY_OUTCOME[outcome], maxBufferedBytes)
}

/** The one id of a target, `<kind>:<id>`, as a filter. */
function filtersFor (target: string): Filters {
  const colon = target.indexOf(':')
  const [targetKind, id] = [target.slice(0, colon), target.slice(colon + 1)]
  return mapKinds(({ kind }) => kind === targetKind ? [id] : null)
}
