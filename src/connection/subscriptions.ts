import type { Authorizer } from '../access/authorizer.js'
import type { Bus } from '../bus/bus.js'
import type { Inbound } from '../bus/inbound.js'
import { formatTopic } from '../bus/topics.js'
import { refuse, type Refusal } from '../refusals.js'
import type { ServerFrame, SendFrame, SubscribeFrame, UnsubscribeFrame } from '../wire/frames.js'
import { authorize, isGranted, MAX_TOPICS, type Filters, type Granted } from './authorize.js'
import type { Delivery } from './deliver.js'
import { endSession } from './end-session.js'
import { refuseFrame } from './handle-frame.js'
import { createListening } from './listening.js'
import { checkFilter, eventTypeSet, isFilterError, type Filter, type FilterError } from './parse-filter.js'
import { isRefusal, PATHS } from './read-request.js'
import type { Report } from './report.js'
import type { Rights } from './rights.js'
import { sendFrame } from './send-frame.js'
import type { Session } from './session.js'
import type { SessionContext } from './session-context.js'

export interface SubscriptionsDeps {
  readonly authorizer: Authorizer
  readonly bus: Bus
  readonly inbound: Inbound
  readonly delivery: Delivery
  readonly rights: Rights
  readonly report: Report
  readonly maxBufferedBytes: number
  readonly maxFilterIds: number
  readonly subscribesPerS: number
}

/** What a connection listens to and says: from `subscribe`, `unsubscribe` and `send` frames, and filters in the URL. */
export interface Subscriptions {
  /** Starts what the upgrade granted; `wasAsked`: the URL named filters, so `subscribed` is owed. */
  open (session: Session, granted: Granted, wasAsked: boolean): void
  subscribe (context: SessionContext, session: Session, frame: SubscribeFrame): void
  unsubscribe (session: Session, frame: UnsubscribeFrame): void
  send (session: Session, frame: SendFrame): void
  /** A new token is in force: its rights are checked at once. */
  identityChanged (session: Session): void
  /** Ends what was withdrawn, and tells. */
  withdraw (session: Session, lost: readonly string[]): void
  close (session: Session): void
}

const UNAVAILABLE = refuse('unavailable', { retryAfterMs: 1000 })
const FULL = refuse('overloaded', { retryAfterMs: 5000, message: 'the inbound stream is full' })
const FORBIDDEN = refuse('forbidden')
const SECOND_MS = 1000
/** Rights that change more often than this while one question is answered are a fault of the back end. */
const MAX_PERMIT_TRIES = 5

const topicsOf = ({ agents, tasks }: Granted): string[] =>
  [...agents.map(id => formatTopic('agent', id)), ...tasks.map(id => formatTopic('task', id))]

/** Makes the subscriptions of one process. */
export function createSubscriptions (deps: SubscriptionsDeps): Subscriptions {
  const { authorizer, bus, delivery, inbound, report, rights } = deps
  const { listen, listenHoweverLong, stopListening } = createListening(bus, delivery)
  const tell = (session: Session, frame: ServerFrame): void => { sendFrame(session, frame, deps.maxBufferedBytes) }
  const tellError = (session: Session, id: string | undefined, { name, message, retryAfterMs }: Refusal): void => {
    tell(session, { type: 'error', id, error: name, message, ...(retryAfterMs === undefined ? {} : { retry_after_ms: Math.ceil(retryAfterMs) }) })
  }

  /** One after the other per connection, so that an `unsubscribe` never overtakes the `subscribe` before it. */
  function inOrder (session: Session, work: () => Promise<void>): void {
    const guarded = async (): Promise<void> => {
      if (session.ending !== null) return
      try {
        await work()
      } catch (error) {
        report.fault(error, 'subscription')
        endSession(session, UNAVAILABLE)
      }
    }
    const started = session.work === null ? guarded() : session.work.then(guarded)
    const run: Promise<void> = started.then(() => {
      if (session.work !== run) return
      session.work = null
      session.workBytes = 0
    })
    session.work = run
  }

  /**
   * What the user may see, by an answer that is still true when it arrives: when the token was replaced or rights were
   * said to have changed meanwhile, it is asked for again, and not from a cache.
   */
  async function permit (session: Session, filters: Filters): Promise<Granted | Refusal> {
    try {
      for (let tries = 0; tries < MAX_PERMIT_TRIES; tries++) {
        const [order, token] = [rights.generation, session.identityGeneration]
        const granted = await authorize(authorizer, session.identity, session.token, filters, tries > 0)
        if (rights.generation === order && session.identityGeneration === token) return granted
      }
    } catch {
      return UNAVAILABLE
    }
    return UNAVAILABLE
  }

  /** Names what the connection listens to by now: what was withdrawn while the bus confirmed is left out. */
  function tellSubscribed (session: Session, id: string | undefined, { agents, tasks }: Granted): void {
    const held = (kind: 'agent' | 'task', ids: readonly string[]): string[] => ids.filter(one => session.topics.has(formatTopic(kind, one)))
    tell(session, { type: 'subscribed', id, agent_ids: held('agent', agents), task_ids: held('task', tasks) })
  }

  async function subscribeNow (session: Session, frame: SubscribeFrame, filters: Filters, eventTypes: Filter | null): Promise<void> {
    const granted = await permit(session, filters)
    if (session.ending !== null) return
    if (!isGranted(granted)) {
      if (granted.name === 'forbidden') report.accessDenied(session, askedTopics(filters))
      return tellError(session, frame.id, granted)
    }
    const topics = topicsOf(granted)
    const added = topics.filter(topic => !session.topics.has(topic)).length
    if (session.topics.size + added > MAX_TOPICS + 1) return tellError(session, frame.id, refuse('bad_request', { message: `more than ${MAX_TOPICS} topics` }))
    const eventTypesBefore = session.eventTypes
    if (eventTypes !== null) delivery.narrow(session, eventTypeSet(eventTypes))
    const confirmed = await listen(session, topics)
    if (session.ending !== null) return
    if (!confirmed) {
      delivery.narrow(session, eventTypesBefore)
      return tellError(session, frame.id, UNAVAILABLE)
    }
    tellSubscribed(session, frame.id, granted)
  }

  function overRate (session: Session): number {
    const now = Date.now()
    if (now - session.subscribeWindowStartMs >= SECOND_MS) {
      session.subscribeWindowStartMs = now
      session.subscribesInWindow = 0
    }
    return ++session.subscribesInWindow > deps.subscribesPerS ? session.subscribeWindowStartMs + SECOND_MS - now : 0
  }

  function readFilters (session: Session, frame: SubscribeFrame): (Filters & { eventTypes: Filter | null }) | Refusal {
    const takes = PATHS.get(session.path) ?? []
    const read = (name: 'agent_ids' | 'task_ids' | 'event_types'): Filter | null | FilterError => {
      const list = frame[name]
      if (list === undefined) return null
      if (name !== 'event_types' && !takes.includes(name)) return { error: `${session.path} takes no ${name}` }
      return checkFilter(name, typeof list === 'string' ? [list] : list, deps.maxFilterIds)
    }
    const filters = { agents: read('agent_ids'), tasks: read('task_ids'), eventTypes: read('event_types') }
    for (const filter of Object.values(filters)) {
      if (filter !== null && isFilterError(filter)) return refuse('bad_request', { message: filter.error })
    }
    return filters as Filters & { eventTypes: Filter | null }
  }

  async function sendNow (session: Session, frame: SendFrame): Promise<void> {
    const [kind, id] = [frame.to.slice(0, frame.to.indexOf(':')), frame.to.slice(frame.to.indexOf(':') + 1)]
    const maySend = session.identity.scopes.has('ws:send') && !session.identity.insecure
    const granted = maySend ? await permit(session, kind === 'agent' ? { agents: [id], tasks: null } : { agents: null, tasks: [id] }) : FORBIDDEN
    if (session.ending !== null) return
    if (!isGranted(granted)) {
      if (granted.name === 'forbidden') report.accessDenied(session, [frame.to])
      return tellError(session, frame.id, granted)
    }
    const message = { connectionId: session.connectionId, userId: session.identity.userId, to: frame.to, data: frame.data, ts: new Date() }
    const outcome = await inbound.append(message).catch(() => 'unavailable' as const)
    if (outcome === 'stored') tell(session, { type: 'sent', id: frame.id })
    else tellError(session, frame.id, outcome === 'full' ? FULL : UNAVAILABLE)
  }

  return {
    open (session, granted, wasAsked) {
      rights.add(session)
      // The user's own topic is not something asked for: while the bus is away it is joined late, and nothing is owed.
      if (!session.identity.insecure) {
        const own = formatTopic('user', session.identity.userId)
        if (delivery.attach(session, own)) bus.subscribe(own).catch(() => {})
      }
      if (!wasAsked) return
      inOrder(session, async () => {
        // Nobody is sent away because Redis is: `subscribed` comes when it confirms.
        await listenHoweverLong(session, topicsOf(granted))
        tellSubscribed(session, undefined, granted)
      })
    },
    subscribe (context, session, frame) {
      const waitMs = overRate(session)
      if (waitMs > 0) return tellError(session, frame.id, refuse('too_many_requests', { retryAfterMs: waitMs, message: 'too many subscribe frames' }))
      const filters = readFilters(session, frame)
      if (isRefusal(filters)) return tellError(session, frame.id, filters)
      if (Object.values(filters).every(filter => filter === null)) return refuseFrame(context, session, frame.id)
      inOrder(session, async () => { await subscribeNow(session, frame, filters, filters.eventTypes) })
    },
    unsubscribe (session, frame) {
      inOrder(session, async () => {
        const agents = chosen(session, 'agent', frame.agent_ids)
        const tasks = chosen(session, 'task', frame.task_ids)
        stopListening(session, topicsOf({ agents, tasks }))
        tell(session, { type: 'unsubscribed', id: frame.id, agent_ids: agents, task_ids: tasks })
        await Promise.resolve()
      })
    },
    send (session, frame) { inOrder(session, async () => { await sendNow(session, frame) }) },
    identityChanged (session) { rights.recheckSoon(session) },
    withdraw (session, lost) {
      const held = lost.filter(topic => session.topics.has(topic))
      if (held.length === 0) return
      stopListening(session, held)
      report.accessDenied(session, held)
      tellError(session, undefined, refuse('forbidden', { message: `no longer allowed: ${held.slice(0, 20).join(', ')}${held.length > 20 ? ', …' : ''}` }))
    },
    close (session) {
      rights.remove(session)
      stopListening(session, [...session.topics])
    }
  }
}

/** Which ids an `unsubscribe` means: those named, or all that the connection holds of the kind. */
function chosen (session: Session, kind: 'agent' | 'task', list: string | readonly string[] | undefined): string[] {
  if (list === undefined) return []
  const prefix = `${kind}:`
  if (list !== '*' && list[0] !== '*') return [...new Set(list)]
  return [...session.topics].filter(topic => topic.startsWith(prefix)).map(topic => topic.slice(prefix.length))
}

function askedTopics ({ agents, tasks }: Filters): string[] {
  return topicsOf({ agents: agents === null || agents === '*' ? [] : agents, tasks: tasks === null || tasks === '*' ? [] : tasks })
}
