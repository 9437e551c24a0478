import { refuse } from '../refusals.js'
import { decodeFrame, readFrameId } from '../wire/codec.js'
import { endSession } from './end-session.js'
import { refresh } from './refresh.js'
import { sendFrame } from './send-frame.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

const BAD_MESSAGE = refuse('bad_message')
const MINUTE_MS = 60_000

/** Acts on one text frame. */
export function handleFrame (context: SessionContext, session: Session, text: string): void {
  const frame = decodeFrame(text)
  if (frame === null) return refuseFrame(context, session, readFrameId(text))
  switch (frame.type) {
    case 'ping': return sendFrame(session, { type: 'pong', id: frame.id }, context.maxBufferedBytes)
    case 'refresh': return refresh(context, session, frame)
    case 'subscribe': return context.subscriptions.subscribe(context, session, frame)
    case 'unsubscribe': return context.subscriptions.unsubscribe(session, frame)
    case 'send': return context.subscriptions.send(session, frame)
  }
}

/** A malformed frame is answered; the third within a minute ends the connection. */
export function refuseFrame (context: SessionContext, session: Session, id?: string): void {
  const now = Date.now()
  const [older, newer] = session.badFrameAtMs
  session.badFrameAtMs = [newer, now]
  sendFrame(session, { type: 'error', id, error: BAD_MESSAGE.name, message: BAD_MESSAGE.message }, context.maxBufferedBytes)
  if (now - older < MINUTE_MS) endSession(session, BAD_MESSAGE)
}
