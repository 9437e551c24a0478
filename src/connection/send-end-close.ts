import type { Limiter } from '../limits/limiter.js'
import { REFUSALS, refuse, type Refusal } from '../refusals.js'
import { closeReason } from '../wire/close-reason.js'
import { encodeFrame } from '../wire/codec.js'
import type { ServerFrame } from '../wire/frames.js'
import type { DeadlineWheel } from './deadline-wheel.js'
import type { Registry } from './registry.js'
import type { Report } from './report.js'
import type { Session } from './session.js'
import type { TokenWatch } from './token-watch.js'

/** No close frame came; or one with a code that the native layer does not let through (1012 to 3999), which it shows as this. */
const NO_GOODBYE = 1006
const CLOSED = refuse('normal')
const TOO_SLOW = refuse('slow_consumer', { retryAfterMs: 1000 })

/** Ends a connection from our side with the code and reason of the table. Ending it twice ends it once. */
export function endSession (session: Session, refusal: Refusal): void {
  if (session.ending !== null) return
  session.ending = refusal
  session.waiting = null
  session.socket.end(REFUSALS[refusal.name].closeCode ?? 1000, closeReason(refusal))
}

/** Ends a connection whose client leaves more than `maxBufferedBytes` unread, while the close frame still gets through. */
export function endIfSlow (session: Session, maxBufferedBytes: number): void {
  if (session.socket.bufferedBytes() > maxBufferedBytes) endSession(session, TOO_SLOW)
}

/** Sends an encoded frame, as text or UTF-8. A client that reads too slowly is ended; it has missed nothing sent before. */
export function sendText (session: Session, frame: string | ArrayBuffer | Uint8Array, maxBufferedBytes: number): void {
  if (session.ending !== null) return
  session.messagesOut++
  const outcome = session.socket.send(frame)
  if (outcome === 'sent') return
  if (outcome === 'buffered') return endIfSlow(session, maxBufferedBytes)
  // At the hard cap not even a close frame gets through: the client sees 1006, and so does the log.
  session.ending = TOO_SLOW
  session.waiting = null
  session.socket.terminate()
}

export function sendFrame (session: Session, frame: ServerFrame, maxBufferedBytes: number): void {
  sendText(session, encodeFrame(frame), maxBufferedBytes)
}

/** The parts of the process that hold something for an open connection. */
export interface Holders {
  readonly registry: Pick<Registry, 'remove'>
  readonly wheel: Pick<DeadlineWheel, 'remove'>
  readonly limiter: Pick<Limiter, 'release'>
  readonly report: Pick<Report, 'closed'>
  readonly subscriptions: { close (session: Session): void }
  readonly tokenWatch: Pick<TokenWatch, 'letGo'>
}

/** Gives back all that a connection holds, and writes its one closed line. `code`: what the socket closed with. */
export function closeSession (holders: Holders, session: Session, code: number): void {
  const { registry, wheel, limiter, report, subscriptions, tokenWatch } = holders
  if (!registry.remove(session)) return
  wheel.remove(session)
  tokenWatch.letGo(session)
  limiter.release(session.lease)
  session.waiting = null
  const reason = session.ending?.name ?? (code === NO_GOODBYE ? 'connection_lost' : 'normal')
  // A step that still waits for an answer on its behalf must find that it is over, or it would take topics for a dead socket.
  session.ending ??= CLOSED
  report.closed(session, code, reason)
  subscriptions.close(session)
}
