import { refuse } from '../refusals.js'
import { sendError, sendSubscribed } from './answer-frame.js'
import { isGranted, MAX_TOPICS } from './authorize.js'
import type { Delivery } from './deliver.js'
import type { Listening } from './listening.js'
import { eventTypeSet } from './parse-filter.js'
import { permitSession, type PermitDeps } from './permit-session.js'
import type { ReadFilters } from './read-request.js'
import type { Report } from './report.js'
import type { Session } from './session.js'
import { namedTopics, topicsOf } from './topics.js'

export interface SubscribeDeps extends PermitDeps {
  readonly delivery: Pick<Delivery, 'narrow'>
  readonly listening: Pick<Listening, 'listen'>
  readonly report: Pick<Report, 'accessDenied'>
  readonly maxBufferedBytes: number
}

const UNAVAILABLE = refuse('unavailable', { retryAfterMs: 1000 })

/** Does what a `subscribe` frame asks, all or nothing, and answers it. `id`: of that frame. */
export async function subscribeSession (
  deps: SubscribeDeps, session: Session, id: string | undefined, filters: ReadFilters
): Promise<void> {
  const { delivery, listening, report, maxBufferedBytes } = deps
  const granted = await permitSession(deps, session, filters)
  if (session.ending !== null) return
  if (!isGranted(granted)) {
    if (granted.name === 'forbidden') report.accessDenied(session, namedTopics(filters), granted.detail)
    return sendError(session, id, granted, maxBufferedBytes)
  }
  const topics = topicsOf(granted)
  const added = topics.filter(topic => !session.topics.has(topic)).length
  // The user's own topic counts for nothing.
  if (session.topics.size + added > MAX_TOPICS + 1) {
    return sendError(session, id, refuse('bad_request', { message: `more than ${MAX_TOPICS} topics` }), maxBufferedBytes)
  }
  const eventTypesBefore = session.eventTypes
  if (filters.eventTypes !== null) delivery.narrow(session, eventTypeSet(filters.eventTypes))
  const confirmed = await listening.listen(session, topics)
  if (session.ending !== null) return
  if (confirmed) return sendSubscribed(session, id, granted, maxBufferedBytes)
  delivery.narrow(session, eventTypesBefore)
  sendError(session, id, UNAVAILABLE, maxBufferedBytes)
}
