import { steadyNow } from '../clocks.js'
import { mapKinds } from '../kinds.js'
import { refuse, type Refusal } from '../refusals.js'
import type { SubscribeFrame } from '../wire/frames.js'
import { checkFilter, isFilterError, type Filter } from './parse-filter.js'
import { PATHS, type ReadFilters } from './read-request.js'
import type { Session } from './session.js'

export interface SubscribeLimits {
  readonly maxFilterIds: number
  /** `subscribe` frames a second, per connection. */
  readonly subscribesPerS: number
}

const SECOND_MS = 1000

/** Reads the lists of a `subscribe` frame, or says why not: too many such frames, a list that the path does not take, a bad id. */
export function readSubscribe (session: Session, frame: SubscribeFrame, limits: SubscribeLimits): ReadFilters | Refusal {
  const { maxFilterIds, subscribesPerS } = limits
  const waitMs = waitForRate(session, subscribesPerS)
  if (waitMs > 0) return refuse('too_many_requests', { retryAfterMs: waitMs, message: 'too many subscribe frames' })
  const takes = PATHS.get(session.path) ?? []
  let wrong: Refusal | null = null
  const refuseList = (message: string): null => {
    wrong ??= refuse('bad_request', { message })
    return null
  }
  const read = (name: string, list: string | readonly string[] | undefined): Filter | null => {
    if (list === undefined) return null
    const filter = checkFilter(name, typeof list === 'string' ? [list] : list, maxFilterIds)
    return isFilterError(filter) ? refuseList(filter.error) : filter
  }
  const ids = mapKinds(({ list }) =>
    frame[list] === undefined || takes.includes(list) ? read(list, frame[list]) : refuseList(`${session.path} takes no ${list}`))
  const filters = { ...ids, eventTypes: read('event_types', frame.event_types) }
  return wrong ?? filters
}

/** Counts one frame; how long until the next is allowed, in ms, when this one was too many, else 0. */
function waitForRate (session: Session, subscribesPerS: number): number {
  const now = steadyNow()
  if (now - session.subscribeWindowStartMs >= SECOND_MS) {
    session.subscribeWindowStartMs = now
    session.subscribesInWindow = 0
  }
  return ++session.subscribesInWindow > subscribesPerS ? session.subscribeWindowStartMs + SECOND_MS - now : 0
}
