import type { LifecycleDeps } from './lifecycle-deps.js'
import { formatTopic } from '../bus/topics.js'
import { formatPosition } from '../history/position.js'
import { createWelcomeEncoder } from '../wire/welcome.js'
import { asksForSomething } from './authorize.js'
import { holdIdentity, onDue, sessionEndMs } from './on-due.js'
import { receive, receivePing } from './receive.js'
import { closeSession } from './send-end-close.js'
import { Session } from './session.js'
import type { SessionContext } from './session-context.js'
import type { SocketHandlers } from './transport.js'
import { eventTypeSet } from './parse-filter.js'

/** What the native layer calls; one small object per connection. */
class SessionEvents implements SocketHandlers {
  constructor (private readonly context: SessionContext, private readonly session: Session) {}
  onMessage (data: ArrayBuffer, isBinary: boolean): void { receive(this.context, this.session, data, isBinary) }
  onPing (): void { receivePing(this.context, this.session) }
  onDrain (): void { this.context.subscriptions.resume(this.session) }
  onClose (code: number): void { closeSession(this.context, this.session, code) }
}

/**
 * Completes the handshake of an admitted upgrade. The accepted line is written before anything else can happen, so that
 * every closed line has one.
 */
export function createOpenSession (context: SessionContext): LifecycleDeps['open'] {
  const encodeWelcome = createWelcomeEncoder(context)
  return (pending, { identity, address, exempt, request, granted, lease, head, startedMs, traceparent }, durationMs) => {
    const { connectionId } = lease
    // It leaves together with the handshake.
    const own = context.subscriptions.ownBeginning(identity, head, request.since)
    const { userId } = identity
    const welcome = encodeWelcome({
      connectionId,
      userId,
      expiresAtMs: sessionEndMs(identity),
      timeMs: context.clocks.epochNow(),
      own: own.position === null ? null : { topic: formatTopic('user', userId), position: formatPosition(own.position) },
      recovered: request.since === null || identity.insecure ? null : own.recovered
    })
    return pending.accept(request.protocol, welcome, (socket) => {
      const token = context.keepTokens ? request.token ?? '' : ''
      const eventTypes = eventTypeSet(request.eventTypes)
      const openedAtMs = context.clocks.steadyNow()
      const session = new Session(connectionId, identity, address, request.path, lease, token, eventTypes, socket, openedAtMs, exempt)
      holdIdentity(context, session, identity, request.token ?? '')
      session.messagesOut++
      context.registry.add(session)
      context.report.accepted(session, durationMs, request.origin, traceparent)
      context.subscriptions.open(session, granted, asksForSomething(request), own, head === null ? null : { head, askedAtMs: startedMs })
      onDue(context, session, session.openedAtMs)
      return new SessionEvents(context, session)
    })
  }
}
