import { steadyNow } from '../clocks.js'
import { refuse } from '../refusals.js'
import { sendError } from './answer-frame.js'
import { endSession } from './send-end-close.js'
import type { Session } from './session.js'

const BAD_MESSAGE = refuse('bad_message')
const MINUTE_MS = 60_000

/** Answers a malformed frame; the third within a minute ends the connection. `id`: of that frame, where it can be read. */
export function refuseFrame (session: Session, id: string | undefined, maxBufferedBytes: number): void {
  const now = steadyNow()
  const [older, newer] = session.badFrameAtMs
  session.badFrameAtMs = [newer, now]
  sendError(session, id, BAD_MESSAGE, maxBufferedBytes)
  if (now - older < MINUTE_MS) endSession(session, BAD_MESSAGE)
}
