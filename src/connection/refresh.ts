import { causeOf, refuse, type Refusal } from '../refusals.js'
import type { TicketedToken } from '../tickets/seal-token.js'
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

/** Who presents a new token, and the token; or why it does not count. */
type Verdict = { readonly who: Identity, readonly shown: TicketedToken } | { readonly refusal: Refusal }

/**
 * Replaces the token of an open connection: same user, same issuer. A bad token ends the connection as it would have
 * refused the upgrade; an issuer that is away, or whose key was not fetched yet, leaves the old token in force. Tokens are
 * checked side by side and take effect in the order in which they came: the one that was sent last is in force, however
 * long each check took.
 */
export function refresh (context: SessionContext, session: Session, { id, token, ticket }: RefreshFrame): void {
  // Of a frame that passed its schema one of both is there.
  if (token === undefined) return inTurn(context, session, id, redeem(context, session, ticket ?? ''))
  const shown = { token }
  const now = context.identify.now(token)
  if (now !== null && session.refreshing === null) return apply(context, session, id, toVerdict(shown, now))
  inTurn(context, session, id, now === null ? identifyLater(context, shown) : Promise.resolve(toVerdict(shown, now)))
}

const toVerdict = (shown: TicketedToken, who: Identity | Refusal): Verdict => isIdentity(who) ? { who, shown } : { refusal: who }

async function identifyLater ({ identify }: SessionContext, shown: TicketedToken): Promise<Verdict> {
  return toVerdict(shown, identify.now(shown.token, shown) ?? await identify.wait(shown.token, shown))
}

async function redeem (context: SessionContext, session: Session, text: string): Promise<Verdict> {
  const ticket = context.judgeTicket(text, session.address.key)
  const shown = 'redeem' in ticket ? await ticket.redeem() : ticket
  return 'name' in shown ? { refusal: shown } : await identifyLater(context, shown)
}

function inTurn (context: SessionContext, session: Session, id: string | undefined, verdict: Promise<Verdict>): void {
  const run: Promise<void> = applyInTurn(context, session, id, verdict)
    .catch((error: unknown) => { context.report.fault(error, 'refresh') })
    .finally(() => { if (session.refreshing === run) session.refreshing = null })
  session.refreshing = run
}

async function applyInTurn (context: SessionContext, session: Session, id: string | undefined, waited: Promise<Verdict>): Promise<void> {
  const before = session.refreshing
  // Both are waited for, so that neither rejects while nobody listens.
  const [verdict] = await Promise.all([waited, before])
  if (before === null || 'refusal' in verdict) return apply(context, session, id, verdict)
  // It may have been revoked while it waited for its turn, when the connection did not have it yet.
  apply(context, session, id, await identifyLater(context, verdict.shown))
}

function apply (context: SessionContext, session: Session, id: string | undefined, verdict: Verdict): void {
  if (session.ending !== null) return
  if ('refusal' in verdict) {
    const { refusal } = verdict
    const isForLater = refusal.name === 'unavailable'
    // A token that is too long was never read: it says nothing against the one in force.
    if (!isForLater && causeOf(refusal) !== 'too_long') return endSession(session, refusal)
    return sendError(session, id, isForLater ? { retryAfterMs: AWAY_MS, ...refusal } : refusal, context.maxBufferedBytes)
  }
  const { who, shown } = verdict
  // `insecure`: break-glass turned an unreachable issuer into `anonymous`, who is nobody to refresh to.
  const before = session.identity
  if (who.insecure || who.userId !== before.userId || who.issuer !== before.issuer) return endSession(session, OTHER_USER)
  holdIdentity(context, session, who, shown.token)
  context.registry.rename(session, before)
  session.identityGeneration++
  session.warnedOfExpiry = false
  if (context.keepTokens) session.token = shown.token
  context.subscriptions.identityChanged(session)
  sendFrame(session, { type: 'refreshed', id, expires_at: new Date(sessionEndMs(who)).toISOString() }, context.maxBufferedBytes)
  scheduleNextDeadline(context, session, context.clocks.steadyNow())
}
