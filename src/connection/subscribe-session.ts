import { refuse } from '../refusals.js'
import { sendError, sendSubscribed } from './answer-frame.js'
import { isGranted, MAX_TOPICS } from './authorize.js'
import type { Delivery } from './deliver.js'
import type { Listening } from './listening.js'
import { eventTypeSet } from './parse-filter.js'
import { permitSession, type PermitDeps } from './permit-session.js'
import type { ReadFilters } from './read-request.js'
import type { Wish } from './recover.js'
import type { Report } from './report.js'
import type { Session } from './session.js'
import { namedTopics, topicsOf } from './topics.js'

export interface SubscribeDeps extends PermitDeps {
  readonly delivery: Pick<Delivery, 'narrow'>
  readonly listening: Pick<Listening, 'listen' | 'begin' | 'stopListening'>
  readonly report: Pick<Report, 'accessDenied'>
  readonly maxBufferedBytes: number
}

/** What one `subscribe` frame asks. */
export interface SubscribeAsked {
  /** Of the frame. */
  readonly id: string | undefined
  readonly filters: ReadFilters
  readonly wish: Wish
}

const UNAVAILABLE = refuse('unavailable', { retryAfterMs: 1000 })
const TOO_MANY = refuse('bad_request', { message: `more than ${MAX_TOPICS} topics` })
const HELD_ALREADY = refuse('bad_request', { message: 'since, last: only for topics that this connection does not listen to yet' })

/** Does what a `subscribe` frame asks, all or nothing, and answers it. */
export async function subscribeSession (deps: SubscribeDeps, session: Session, { id, filters, wish }: SubscribeAsked): Promise<void> {
  const { delivery, listening, report, maxBufferedBytes } = deps
  const granted = await permitSession(deps, session, filters)
  if (session.ending !== null) return
  if (!isGranted(granted)) {
    if (granted.name === 'forbidden') report.accessDenied(session, namedTopics(filters), granted.detail)
    return sendError(session, id, granted, maxBufferedBytes)
  }
  const seen = granted
  const topics = topicsOf(seen)
  const added = topics.filter(topic => !session.topics.has(topic))
  if (added.length < topics.length && topics.some(topic => session.topics.has(topic) && wishes(wish, topic))) {
    return sendError(session, id, HELD_ALREADY, maxBufferedBytes)
  }
  // The user's own topic counts for nothing.
  if (session.topics.size + added.length > MAX_TOPICS + 1) return sendError(session, id, TOO_MANY, maxBufferedBytes)
  const eventTypesBefore = session.eventTypes
  if (filters.eventTypes !== null) delivery.narrow(session, eventTypeSet(filters.eventTypes))
  const begun = await listening.listen(session, topics) && await begins()
  if (session.ending !== null || begun) return
  delivery.narrow(session, eventTypesBefore)
  sendError(session, id, UNAVAILABLE, maxBufferedBytes)

  /** False: what came before cannot be read, and nothing is subscribed. */
  async function begins (): Promise<boolean> {
    try {
      await listening.begin(session, topics, wish, (told) => { sendSubscribed(session, id, seen, told, maxBufferedBytes) })
      return true
    } catch {
      listening.stopListening(session, added)
      return false
    }
  }
}

const wishes = ({ since, last }: Wish, topic: string): boolean => last !== null || since.has(topic)
