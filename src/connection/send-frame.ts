import { refuse } from '../refusals.js'
import { encodeFrame } from '../wire/codec.js'
import type { ServerFrame } from '../wire/frames.js'
import { endSession } from './end-session.js'
import type { Session } from './session.js'

const TOO_SLOW = refuse('slow_consumer', { retryAfterMs: 1000 })

/**
 * Sends an encoded frame, as text or UTF-8. A client that leaves more than `maxBufferedBytes` unread is ended while the
 * close frame still gets through; nothing before it is missing.
 */
export function sendText (session: Session, frame: string | ArrayBuffer, maxBufferedBytes: number): void {
  if (session.ending !== null) return
  session.messagesOut++
  const outcome = session.socket.send(frame)
  if (outcome === 'sent') return
  if (outcome === 'buffered') {
    if (session.socket.bufferedBytes() > maxBufferedBytes) endSession(session, TOO_SLOW)
    return
  }
  // At the hard cap not even a close frame gets through: the client sees 1006, and so does the log.
  session.ending = TOO_SLOW
  session.waiting = null
  session.socket.terminate()
}

export function sendFrame (session: Session, frame: ServerFrame, maxBufferedBytes: number): void {
  sendText(session, encodeFrame(frame), maxBufferedBytes)
}
