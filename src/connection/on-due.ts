import { refuse } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import { endSession, sendFrame } from './send-end-close.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

/** How long before its token ends a client is told. */
const WARN_BEFORE_MS = 30_000

const EXPIRED = refuse('expired_token')
const INSECURE_OVER = refuse('missing_token')
const IDLE = refuse('idle')

/** When the connection ends unless its token is refreshed, in ms since the epoch. */
export const sessionEndMs = (identity: Identity): number => identity.expiresAtMs

/** A token accepted within the clock tolerance has ended already by our clock: then the tolerance is what is left of it. */
function endsAtMs (context: SessionContext, session: Session): number {
  const { expiresAtMs } = session.identity
  return expiresAtMs > session.identitySinceMs ? expiresAtMs : expiresAtMs + context.clockToleranceMs
}

/** Puts the connection on the wheel for whatever comes first: the warning, the end of its token, or idleness. */
export function scheduleNextDeadline (context: SessionContext, session: Session, nowMs: number): void {
  const endMs = endsAtMs(context, session)
  let nextMs = session.warnedOfExpiry ? endMs : Math.max(nowMs, endMs - WARN_BEFORE_MS)
  if (context.idleMs > 0) nextMs = Math.min(nextMs, session.lastDataAtMs + context.idleMs)
  context.wheel.schedule(session, nextMs)
}

/** Does what is due for a connection. Called by the wheel, and once when the connection opens. */
export function onDue (context: SessionContext, session: Session, nowMs: number): void {
  if (session.ending !== null) return
  const endMs = endsAtMs(context, session)
  if (nowMs >= endMs) return endSession(session, session.identity.insecure ? INSECURE_OVER : EXPIRED)
  if (context.idleMs > 0 && nowMs - session.lastDataAtMs >= context.idleMs) return endSession(session, IDLE)
  if (!session.warnedOfExpiry && nowMs >= endMs - WARN_BEFORE_MS) {
    session.warnedOfExpiry = true
    sendFrame(session, { type: 'expiring', expires_at: new Date(sessionEndMs(session.identity)).toISOString() }, context.maxBufferedBytes)
  }
  scheduleNextDeadline(context, session, nowMs)
}
