import { formatTopic } from '../bus/topics.js'
import { mapKindsBy } from '../kinds.js'
import type { Refusal } from '../refusals.js'
import type { Granted } from './authorize.js'
import { sendFrame } from './send-end-close.js'
import type { Told } from './recover.js'
import type { Session } from './session.js'

/** Tells that a frame was refused, or a right withdrawn; the connection goes on. `id`: of the frame that it answers. */
export function sendError (session: Session, id: string | undefined, refusal: Refusal, maxBufferedBytes: number): void {
  const { name, message, retryAfterMs } = refusal
  const wait = retryAfterMs === undefined ? {} : { retry_after_ms: Math.ceil(retryAfterMs) }
  sendFrame(session, { type: 'error', id, error: name, message, ...wait }, maxBufferedBytes)
}

/**
 * Names what the connection listens to by now: what was withdrawn while the bus confirmed is left out. What is told of positions
 * is left out where nothing is remembered.
 */
export function sendSubscribed (
  session: Session, id: string | undefined, granted: Granted, { positions, recovered }: Told, maxBufferedBytes: number
): void {
  const held = mapKindsBy('list', ({ kind, claim }) => granted[claim].filter(one => session.topics.has(formatTopic(kind, one))))
  const asked = Object.keys(recovered).length > 0
  sendFrame(session, { type: 'subscribed', id, ...held, positions, ...(asked ? { recovered } : {}) }, maxBufferedBytes)
}
