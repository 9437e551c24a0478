import { refuse } from '../refusals.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

/** Codes by which a client says goodbye (RFC 6455 section 7.4.1); 1005: a close frame without a code. */
const GOODBYE = new Set([1000, 1001, 1005])
const CLOSED = refuse('normal')

/** Gives back all that a connection holds, and writes its one closed line. */
export function closeSession (context: SessionContext, session: Session, code: number): void {
  if (!context.registry.remove(session)) return
  context.wheel.remove(session)
  context.limiter.release(session.lease)
  session.waiting = null
  const reason = session.ending?.name ?? (GOODBYE.has(code) ? 'normal' : 'connection_lost')
  // Whatever still waits for an answer on its behalf must find that it is over, or it would take topics for a dead socket.
  session.ending ??= CLOSED
  context.report.closed(session, code, reason)
  context.subscriptions.close(session)
}
