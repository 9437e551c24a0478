import { refuse } from '../refusals.js'
import type { RefreshFrame } from '../wire/frames.js'
import { sendError } from './answer-frame.js'
import { isIdentity } from './identify.js'
import { scheduleNextDeadline, sessionEndMs } from './on-due.js'
import { endSession, sendFrame } from './send-end-close.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

const AWAY = refuse('unavailable', { retryAfterMs: 1000 })
const OTHER_USER = refuse('invalid_token', { message: 'the new token is another user\'s', detail: 'refresh: other user or issuer' })

/**
 * Replaces the token of an open connection: same user, same issuer. A bad token ends the connection as it would have
 * refused the upgrade; an issuer that is away leaves the old token in force.
 */
export function refresh (context: SessionContext, session: Session, frame: RefreshFrame): void {
  const apply = (who: Awaited<ReturnType<SessionContext['identify']['wait']>>): void => {
    if (session.ending !== null) return
    if (!isIdentity(who)) {
      if (who.name !== 'unavailable') return endSession(session, who)
      return sendError(session, frame.id, AWAY, context.maxBufferedBytes)
    }
    // `insecure`: break-glass turned an unreachable issuer into `anonymous`, who is nobody to refresh to.
    const { userId, issuer } = session.identity
    if (who.insecure || who.userId !== userId || who.issuer !== issuer) return endSession(session, OTHER_USER)
    session.identity = who
    session.identitySinceMs = Date.now()
    session.identityGeneration++
    session.warnedOfExpiry = false
    if (context.keepTokens) session.token = frame.token
    context.subscriptions.identityChanged(session)
    sendFrame(session, { type: 'refreshed', id: frame.id, expires_at: new Date(sessionEndMs(session.identity)).toISOString() }, context.maxBufferedBytes)
    scheduleNextDeadline(context, session, Date.now())
  }
  const now = context.identify.now(frame.token)
  if (now !== null) return apply(now)
  context.identify.wait(frame.token).then(apply).catch((error: unknown) => { context.report.fault(error, 'refresh') })
}
