import { refuse } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import { endSession, sendFrame } from './send-end-close.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

/** How long before its token ends a client is told. */
const WARN_BEFORE_MS = 30_000
const SECOND_MS = 1000

const EXPIRED = refuse('expired_token')
const INSECURE_OVER = refuse('missing_token')
const IDLE = refuse('idle')

/** When the connection ends unless its token is refreshed, in ms since the epoch. */
export const sessionEndMs = (identity: Identity): number => identity.expiresAtMs

/**
 * Puts a token in force that was found good just now. How long it lasts is decided here: a clock that is set later ends no connection
 * early and keeps none longer. One accepted within the clock tolerance has ended already by our clock: then the tolerance is what is left.
 */
export function holdIdentity (
  { clocks, clockToleranceMs, tokenWatch }: SessionContext, session: Session, identity: Identity, token: string
): void {
  const nowMs = clocks.epochNow()
  const endsAtMs = identity.expiresAtMs > nowMs ? identity.expiresAtMs : identity.expiresAtMs + clockToleranceMs
  session.identity = identity
  tokenWatch.hold(session, token)
  // The wheel turns by seconds, and tokens end at whole ones: a difference of less than a second would only make each end late.
  session.endsAtMs = endsAtMs + Math.round((clocks.steadyNow() - nowMs) / SECOND_MS) * SECOND_MS
}

/** Puts the connection on the wheel for whatever comes first: the warning, the end of its token, or idleness. `nowMs`: steady. */
export function scheduleNextDeadline (context: SessionContext, session: Session, nowMs: number): void {
  let nextMs = session.warnedOfExpiry ? session.endsAtMs : Math.max(nowMs, session.endsAtMs - WARN_BEFORE_MS)
  if (context.idleMs > 0) nextMs = Math.min(nextMs, session.lastDataAtMs + context.idleMs)
  context.wheel.schedule(session, nextMs)
}

/** Does what is due for a connection. Called by the wheel, and once when the connection opens. `nowMs`: steady. */
export function onDue (context: SessionContext, session: Session, nowMs: number): void {
  if (session.ending !== null) return
  if (nowMs >= session.endsAtMs) return endSession(session, session.identity.insecure ? INSECURE_OVER : EXPIRED)
  if (context.idleMs > 0 && nowMs - session.lastDataAtMs >= context.idleMs) return endSession(session, IDLE)
  if (!session.warnedOfExpiry && nowMs >= session.endsAtMs - WARN_BEFORE_MS) {
    session.warnedOfExpiry = true
    sendFrame(session, { type: 'expiring', expires_at: new Date(sessionEndMs(session.identity)).toISOString() }, context.maxBufferedBytes)
  }
  scheduleNextDeadline(context, session, nowMs)
}
