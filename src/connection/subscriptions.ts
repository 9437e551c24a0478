import type { Inbound } from '../bus/inbound.js'
import { formatTopic, userTopic } from '../bus/topics.js'
import type { HeadAnswer } from '../history/history.js'
import type { Position } from '../history/position.js'
import { mapKinds, mapKindsBy, type Kind } from '../kinds.js'
import { refuse } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { Timers } from '../timers.js'
import type { KnownHead, TopicLogs } from '../topic-log/topic-logs.js'
import type { SendFrame, SubscribeFrame, UnsubscribeFrame } from '../wire/frames.js'
import { sendError, sendSubscribed } from './answer-frame.js'
import { asksForSomething, type Granted } from './authorize.js'
import type { Delivery } from './deliver.js'
import { createListening } from './listening.js'
import { isRefusal } from './read-request.js'
import { findOwnBeginning, NO_WISH, type OwnBeginning } from './recover.js'
import { readSubscribe, readWish, type SubscribeLimits } from './read-subscribe.js'
import { refuseFrame } from './refuse-frame.js'
import type { Report } from './report.js'
import type { Replays } from './replays.js'
import type { Rights } from './rights.js'
import { sendFrame } from './send-end-close.js'
import { maySend, sendInbound, type SendInboundDeps } from './send-inbound.js'
import type { Session } from './session.js'
import { subscribeSession } from './subscribe-session.js'
import { idsIn, topicsOf } from './topics.js'
import { workInOrder } from './work-in-order.js'

export interface SubscriptionsDeps extends SendInboundDeps, SubscribeLimits {
  readonly logs: TopicLogs
  readonly inbound: Inbound
  readonly delivery: Delivery
  readonly replays: Replays
  readonly rights: Rights
  readonly report: Report
  readonly timers?: Timers
}

/** What a connection listens to and says: from `subscribe`, `unsubscribe` and `send` frames, and filters in the URL. */
export interface Subscriptions {
  /** Where a connection would begin in its user's own topic, and what `welcome` says of it. */
  ownBeginning (identity: Identity, head: HeadAnswer | null, since: string | null): OwnBeginning
  /**
   * Starts what the upgrade granted, and the user's own topic from where `welcome` said; `wasAsked`: the URL named filters, so
   * `subscribed` is owed. `known`: what the store said of the own topic as it let the connection in.
   */
  open (session: Session, granted: Granted, wasAsked: boolean, own: OwnBeginning, known?: KnownHead | null): void
  subscribe (session: Session, frame: SubscribeFrame): void
  unsubscribe (session: Session, frame: UnsubscribeFrame): void
  /** Takes a copy of the frame's data, if its user may send at all. */
  send (session: Session, frame: SendFrame): void
  /** A new token is in force: its rights are checked at once. */
  identityChanged (session: Session): void
  /** Ends what was withdrawn, and tells. */
  withdraw (session: Session, lost: readonly string[]): void
  /** A connection can take more. */
  resume (session: Session): void
  close (session: Session): void
}

const UNAVAILABLE = refuse('unavailable', { retryAfterMs: 1000, message: 'the topics of the URL are not heard yet; subscribed follows' })
/** Without a token there is no topic of one's own. */
const NOTHING_OWN: OwnBeginning = { position: null, from: null, recovered: null }
/** Withdrawn topics that are named to the client; more are only hinted at. */
const MAX_NAMED = 20
/** Of a `send` that can only be refused. */
const NO_DATA = Buffer.alloc(0)

/** Makes the subscriptions of one process. */
export function createSubscriptions (deps: SubscriptionsDeps): Subscriptions {
  const { logs, delivery, replays, report, rights, timers, maxBufferedBytes } = deps
  const listening = createListening({ logs, delivery, replays, report, ...(timers === undefined ? {} : { timers }) })
  const subscribeDeps = { ...deps, listening }

  async function begin (session: Session, granted: Granted): Promise<void> {
    await listening.begin(session, topicsOf(granted), NO_WISH, (told) => {
      sendSubscribed(session, undefined, granted, told, maxBufferedBytes)
    })
  }

  /** `subscribed` comes when the bus confirms, in its order with the answers to frames. */
  function subscribeLate (session: Session, granted: Granted): void {
    listening.untilConfirmed(session, topicsOf(granted)).then(() => {
      workInOrder(session, report, async () => { await begin(session, granted) })
    }, (error: unknown) => { report.fault(error, 'subscription') })
  }

  return {
    ownBeginning: (identity, head, since) => findOwn(logs, identity, head, since),
    open (session, granted, wasAsked, own, known) {
      rights.add(session)
      if (!session.identity.insecure) openOwn(deps, session, own, known ?? null)
      if (!wasAsked) return
      workInOrder(session, report, async () => {
        if (await listening.listenAndStay(session, topicsOf(granted))) return await begin(session, granted)
        // No client is sent away because Redis is, and the frames that follow are answered meanwhile.
        sendError(session, undefined, UNAVAILABLE, maxBufferedBytes)
        subscribeLate(session, granted)
      })
    },
    subscribe (session, frame) {
      const filters = readSubscribe(session, frame, deps)
      if (isRefusal(filters)) return sendError(session, frame.id, filters, maxBufferedBytes)
      if (filters.eventTypes === null && !asksForSomething(filters)) return refuseFrame(session, frame.id, maxBufferedBytes)
      const wish = readWish(frame, filters, deps)
      if (isRefusal(wish)) return sendError(session, frame.id, wish, maxBufferedBytes)
      workInOrder(session, report, async () => { await subscribeSession(subscribeDeps, session, { id: frame.id, filters, wish }) })
    },
    unsubscribe (session, frame) {
      workInOrder(session, report, async () => {
        const left = mapKinds(kind => idsToLeave(session, kind, frame[kind.list]))
        listening.stopListening(session, topicsOf(left))
        sendFrame(session, { type: 'unsubscribed', id: frame.id, ...mapKindsBy('list', ({ claim }) => left[claim]) }, maxBufferedBytes)
        await Promise.resolve()
      })
    },
    send (session, frame) {
      // Who has no such scope is answered in turn, and nothing of theirs is kept until then.
      const kept = { ...frame, data: maySend(session.identity) ? Buffer.from(frame.data) : NO_DATA }
      workInOrder(session, report, async () => { await sendInbound(deps, session, kept) })
    },
    identityChanged (session) { rights.recheckSoon(session) },
    withdraw (session, lost) {
      const held = lost.filter(topic => session.topics.has(topic))
      if (held.length === 0) return
      listening.stopListening(session, held)
      report.accessDenied(session, held, 'access lost')
      const named = `${held.slice(0, MAX_NAMED).join(', ')}${held.length > MAX_NAMED ? ', …' : ''}`
      sendError(session, undefined, refuse('forbidden', { message: `no longer allowed: ${named}` }), maxBufferedBytes)
    },
    resume: replays.resume,
    close (session) {
      rights.remove(session)
      listening.stopListening(session, [...session.topics])
    }
  }
}

function findOwn (logs: TopicLogs, identity: Identity, ...[head, since]: readonly [HeadAnswer | null, string | null]): OwnBeginning {
  const { userId, insecure } = identity
  const topic = insecure ? null : userTopic(userId)
  return topic === null ? NOTHING_OWN : findOwnBeginning(logs, topic, head, since)
}

/** The user's own topic is not something asked for: while the bus is away it is joined late, and nothing is owed. */
function openOwn (deps: SubscriptionsDeps, session: Session, { position, from, recovered }: OwnBeginning, known: KnownHead | null): void {
  const { logs, delivery, replays, report } = deps
  const topic = formatTopic('user', session.identity.userId)
  if (session.topics.has(topic)) return
  logs.subscribe(topic, known).catch(() => {})
  if (recovered !== null) report.recovery(recovered)
  // Most begin where the live events do: they need no cursor.
  if (logs.isOpen(topic) && isSame(from, logs.positionOf(topic))) return delivery.attachLive(session, topic)
  delivery.attach(session, topic)
  replays.start(session, topic, from, position?.offset ?? 0)
}

const isSame = (one: Position | null, other: Position | null): boolean =>
  one === other || (one !== null && other !== null && one.epoch === other.epoch && one.offset === other.offset)

/** Which ids an `unsubscribe` means: those named, or all that the connection holds of the kind. */
function idsToLeave (session: Session, kind: Kind, list: string | readonly string[] | undefined): string[] {
  if (list === undefined) return []
  return list === '*' || list[0] === '*' ? idsIn(session.topics, kind) : [...new Set(list)]
}
