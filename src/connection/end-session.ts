import { REFUSALS, type Refusal } from '../refusals.js'
import { closeReason } from '../wire/close-reason.js'
import type { Session } from './session.js'

/** Ends a connection from our side with the code and reason of the table. Ending it twice ends it once. */
export function endSession (session: Session, refusal: Refusal): void {
  if (session.ending !== null) return
  session.ending = refusal
  session.waiting = null
  session.socket.end(REFUSALS[refusal.name].closeCode ?? 1000, closeReason(refusal))
}
