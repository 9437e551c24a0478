import { steadyNow } from '../clocks.js'
import { parseTopic } from '../bus/topics.js'
import { KINDS, mapKinds } from '../kinds.js'
import { refuse, type Refusal } from '../refusals.js'
import type { TopicLogs } from '../topic-log/topic-logs.js'
import type { SubscribeFrame } from '../wire/frames.js'
import { checkFilter, isFilterError, type Filter } from './parse-filter.js'
import { PATHS, type ReadFilters } from './read-request.js'
import type { Wish } from './recover.js'
import type { Session } from './session.js'

export interface SubscribeLimits {
  readonly maxFilterIds: number
  /** `subscribe` frames a second, per connection. */
  readonly subscribesPerS: number
  /** Events that are kept, by kind of topic: 0 or more. */
  readonly kept: ReadonlyMap<string, number>
  /** Monotonic, in ms. */
  readonly now?: () => number
}

export interface WishDeps extends Pick<SubscribeLimits, 'kept'> {
  readonly logs: Pick<TopicLogs, 'moment'>
}

const SECOND_MS = 1000

/** Reads the lists of a `subscribe` frame, or says why not: too many such frames, a list that the path does not take, a bad id. */
export function readSubscribe (session: Session, frame: SubscribeFrame, limits: SubscribeLimits): ReadFilters | Refusal {
  const { maxFilterIds, subscribesPerS, now = steadyNow } = limits
  const waitMs = waitForRate(session, subscribesPerS, now())
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

/** Reads what a `subscribe` frame wants of what came before, for the lists that it names. */
export function readWish ({ since = {}, last }: SubscribeFrame, filters: ReadFilters, { kept, logs }: WishDeps): Wish | Refusal {
  const isNamed = (text: string): boolean => {
    const topic = parseTopic(text)
    const filter = KINDS.find(({ kind }) => kind === topic?.kind)
    const named = filter === undefined ? null : filters[filter.claim]
    return topic !== null && named !== null && (named === '*' || named.includes(topic.id))
  }
  const stranger = Object.keys(since).find(text => !isNamed(text))
  if (stranger !== undefined) return refuse('bad_request', { message: 'since: a topic that this frame does not name' })
  const maxLast = Math.max(...kept.values())
  if (last !== undefined && last > maxLast) return refuse('bad_request', { message: maxLast === 0 ? 'last: no events are kept here' : `last: at most ${maxLast}` })
  return { since: new Map(Object.entries(since)), last: last ?? null, kept, moment: logs.moment() }
}

/** Counts one frame; how long until the next is allowed, in ms, when this one was too many, else 0. */
function waitForRate (session: Session, subscribesPerS: number, nowMs: number): number {
  if (nowMs - session.subscribeWindowStartMs >= SECOND_MS) {
    session.subscribeWindowStartMs = nowMs
    session.subscribesInWindow = 0
  }
  return ++session.subscribesInWindow > subscribesPerS ? session.subscribeWindowStartMs + SECOND_MS - nowMs : 0
}
