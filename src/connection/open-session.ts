import type { Admitted, LifecycleDeps } from './lifecycle-deps.js'
import { encodeFrame } from '../wire/codec.js'
import { closeSession } from './close-session.js'
import { onDue, sessionEndMs } from './on-due.js'
import { receive, receivePing } from './receive.js'
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
  return (pending, admitted, durationMs) => pending.accept(admitted.request.protocol, welcome(context, admitted), (socket) => {
    const { identity, address, request, granted, lease } = admitted
    const token = context.keepTokens ? request.token ?? '' : ''
    const eventTypes = eventTypeSet(request.eventTypes)
    const session = new Session(lease.connectionId, identity, address, request.path, lease, token, eventTypes, socket, Date.now())
    session.messagesOut++
    context.registry.add(session)
    context.report.accepted(session, durationMs)
    context.subscriptions.open(session, granted, request.agents !== null || request.tasks !== null)
    onDue(context, session, session.openedAtMs)
    return new SessionEvents(context, session)
  })
}

/** The first frame, which leaves together with the handshake. */
function welcome (context: SessionContext, { identity, lease }: Admitted): Uint8Array {
  return Buffer.from(encodeFrame({
    type: 'welcome',
    connection_id: lease.connectionId,
    user_id: identity.userId,
    node: context.node,
    expires_at: new Date(sessionEndMs(identity)).toISOString(),
    limits: context.limits
  }))
}
