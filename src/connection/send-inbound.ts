import type { Inbound } from '../bus/inbound.js'
import { mapKinds } from '../kinds.js'
import { refuse } from '../refusals.js'
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
const FORBIDDEN = refuse('forbidden')

/** Hands a client's message to the back end, if its user may see the target and may send, and answers the frame. */
export async function sendInbound (deps: SendInboundDeps, session: Session, { id, to, data }: SendFrame): Promise<void> {
  const { inbound, report, maxBufferedBytes } = deps
  const maySend = session.identity.scopes.has('ws:send') && !session.identity.insecure
  const granted = maySend ? await permitSession(deps, session, filtersFor(to)) : FORBIDDEN
  if (session.ending !== null) return
  if (!isGranted(granted)) {
    if (granted.name === 'forbidden') report.accessDenied(session, [to])
    return sendError(session, id, granted, maxBufferedBytes)
  }
  const message = { connectionId: session.connectionId, userId: session.identity.userId, to, data, ts: new Date() }
  const outcome = await inbound.append(message).catch(() => 'unavailable' as const)
  if (outcome === 'stored') sendFrame(session, { type: 'sent', id }, maxBufferedBytes)
  else sendError(session, id, outcome === 'full' ? FULL : UNAVAILABLE, maxBufferedBytes)
}

/** The one id of a target, `<kind>:<id>`, as a filter. */
function filtersFor (target: string): Filters {
  const colon = target.indexOf(':')
  const [targetKind, id] = [target.slice(0, colon), target.slice(colon + 1)]
  return mapKinds(({ kind }) => kind === targetKind ? [id] : null)
}
