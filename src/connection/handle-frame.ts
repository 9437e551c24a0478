import { decodeFrame } from '../wire/codec.js'
import { refresh } from './refresh.js'
import { refuseFrame } from './refuse-frame.js'
import { sendFrame } from './send-end-close.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

/** Acts on one text frame, given in UTF-8. The bytes may be changed once it returns. */
export function handleFrame (context: SessionContext, session: Session, bytes: Uint8Array): void {
  const frame = decodeFrame(bytes)
  switch (frame.type) {
    case 'malformed': return refuseFrame(session, frame.id, context.maxBufferedBytes)
    case 'ping': return sendFrame(session, { type: 'pong', id: frame.id }, context.maxBufferedBytes)
    case 'refresh': return refresh(context, session, frame)
    case 'subscribe': return context.subscriptions.subscribe(session, frame)
    case 'unsubscribe': return context.subscriptions.unsubscribe(session, frame)
    case 'send': return context.subscriptions.send(session, frame)
  }
}
