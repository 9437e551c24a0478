import type { Admitted, LifecycleDeps } from './lifecycle-deps.js'
import { closeSession } from './close-session.js'
import { onDue, sessionEndMs } from './on-due.js'
import { receive, receivePing } from './receive.js'
import { sendFrame } from './send-frame.js'
import { Session } from './session.js'
import type { SessionContext } from './session-context.js'
import type { SocketHandlers } from './transport.js'
import { eventTypeSet } from './parse-filter.js'

/** What the native layer calls; one small object per connection. */
class SessionEvents implements SocketHandlers {
  constructor (private readonly context: SessionContext, private readonly session: Session) {}
  onMessage (data: ArrayBuffer, isBinary: boolean): void { receive(this.context, this.session, data, isBinary) }
  onPing (): void { receivePing(this.context, this.session) }
  onDrain (): void {}
  onClose (code: number): void { closeSession(this.context, this.session, code) }
}

/**
 * Completes the handshake of an admitted upgrade. The accepted line is written before anything else can happen, so that
 * every closed line has one.
 */
export function createOpenSession (context: SessionContext): LifecycleDeps['open'] {
  return (pending, admitted, durationMs) => pending.accept(admitted.request.protocol, (socket) => {
    const { identity, address, request, lease } = admitted
    const token = context.keepTokens ? request.token ?? '' : ''
    const eventTypes = eventTypeSet(request.eventTypes)
    const session = new Session(lease.connectionId, identity, address, request.path, lease, token, eventTypes, socket, Date.now())
    context.registry.add(session)
    context.report.accepted(session, durationMs)
    greet(context, session, admitted)
    return new SessionEvents(context, session)
  })
}

function greet (context: SessionContext, session: Session, { granted, request }: Admitted): void {
  sendFrame(session, {
    type: 'welcome',
    connection_id: session.connectionId,
    user_id: session.identity.userId,
    node: context.node,
    expires_at: new Date(sessionEndMs(session.identity)).toISOString(),
    limits: context.limits
  }, context.maxBufferedBytes)
  context.subscriptions.open(session, granted, request.agents !== null || request.tasks !== null)
  onDue(context, session, session.openedAtMs)
}
