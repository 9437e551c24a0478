import { causeOf, refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { RefreshFrame } from '../wire/frames.js'
import { sendError } from './answer-frame.js'
import { isIdentity } from './identify.js'
import { holdIdentity, scheduleNextDeadline, sessionEndMs } from './on-due.js'
import { endSession, sendFrame } from './send-end-close.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

const AWAY_MS = 1000
const OTHER_USER = refuse('invalid_token', { message: 'the new token is another user\'s', detail: 'refresh: other user or issuer' })

/**
 * Replaces the token of an open connection: same user, same issuer. A bad token ends the connection as it would have
 * refused the upgrade; an issuer that is away, or whose key was not fetched yet, leaves the old token in force. Tokens are
 * checked side by side and take effect in the order in which they came: the one that was sent last is in force, however
 * long each check took.
 */
export function refresh (context: SessionContext, session: Session, frame: RefreshFrame): void {
  const now = context.identify.now(frame.token)
  if (now !== null && session.refreshing === null) return apply(context, session, frame, now)
  const verdict = now ?? context.identify.wait(frame.token)
  const run: Promise<void> = applyInTurn(context, session, frame, verdict)
    .catch((error: unknown) => { context.report.fault(error, 'refresh') })
    .finally(() => { if (session.refreshing === run) session.refreshing = null })
  session.refreshing = run
}

async function applyInTurn (
  context: SessionContext, session: Session, frame: RefreshFrame, verdict: Identity | Refusal | Promise<Identity | Refusal>
): Promise<void> {
  const before = session.refreshing
  // Both are waited for, so that neither rejects while nobody listens.
  const [who] = await Promise.all([verdict, before])
  if (before === null) return apply(context, session, frame, who)
  // It may have been revoked while it waited for its turn, when the connection did not have it yet.
  apply(context, session, frame, context.identify.now(frame.token) ?? await context.identify.wait(frame.token))
}

function apply (context: SessionContext, session: Session, frame: RefreshFrame, who: Identity | Refusal): void {
  if (session.ending !== null) return
  if (!isIdentity(who)) {
    const isForLater = who.name === 'unavailable'
    // A token that is too long was never read: it says nothing against the one in force.
    if (!isForLater && causeOf(who) !== 'too_long') return endSession(session, who)
    const told = isForLater ? { retryAfterMs: AWAY_MS, ...who } : who
    return sendError(session, frame.id, told, context.maxBufferedBytes)
  }
  // `insecure`: break-glass turned an unreachable issuer into `anonymous`, who is nobody to refresh to.
  const before = session.identity
  if (who.insecure || who.userId !== before.userId || who.issuer !== before.issuer) return endSession(session, OTHER_USER)
  holdIdentity(context, session, who, frame.token)
  context.registry.rename(session, before)
  session.identityGeneration++
  session.warnedOfExpiry = false
  if (context.keepTokens) session.token = frame.token
  context.subscriptions.identityChanged(session)
  sendFrame(session, { type: 'refreshed', id: frame.id, expires_at: new Date(sessionEndMs(who)).toISOString() }, context.maxBufferedBytes)
  scheduleNextDeadline(context, session, context.clocks.steadyNow())
}
