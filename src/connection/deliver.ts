import type { BusEvent } from '../bus/bus.js'
import type { Position } from '../history/position.js'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'
import type { LogEntry } from '../topic-log/log-entry.js'
import { encodeEvent } from '../wire/event-frame.js'
import { createGapFrames } from './gap-frames.js'
import { endIfSlow, sendText } from './send-end-close.js'
import type { Session } from './session.js'
import { createTopicListeners, isHeld, type TopicListeners } from './topic-listeners.js'
import { isPersonal } from './topics.js'

/** Null: what is no event only moves positions. */
const isWanted = ({ eventTypes }: Session, event: string | null): boolean => event !== null && eventTypes?.has(event) !== false

export interface DeliveryOptions {
  /** The native `publish`. */
  readonly sendToTopic: (topic: string, frame: Uint8Array) => void
  readonly maxBufferedBytes: number
  /** A connection was told that events of this number of topics may be missing. */
  readonly onGap: (topics: number) => void
  readonly timers?: Timers
  /** Dates events that have no place, in ms since the epoch. */
  readonly now?: () => number
}

/** Carries events from the logs to the sockets of this process. */
export interface Delivery extends Omit<TopicListeners, 'membersOf'> {
  /** Delivers one event to all that get the topic's live events, in order; true: some are held back. */
  deliver (topic: string, entry: LogEntry): boolean
  /** The same for one without a place: also to those who are being given what came before. */
  deliverPlain (topic: string, event: BusEvent): void
  /** Tells them that events may be missing. The next one comes after `position`. */
  tellGap (topic: string, position: Position): void
  /** The same for one connection alone, whose live events are held back. */
  tellGapTo (session: Session, topic: string, position: Position): void
  /** Those whose live events are held back. */
  heldOf (topic: string): Iterable<Session>
}

/**
 * Events go out by the native `publish`, which shares one frame among all subscribers; a connection that narrows its
 * event types gets them one by one instead. A connection uses one way only for a topic, so its order is the topic's.
 */
export function createDelivery (options: DeliveryOptions): Delivery {
  const { sendToTopic, maxBufferedBytes, onGap, timers = SYSTEM_TIMERS, now = Date.now } = options
  const { membersOf, ...listeners } = createTopicListeners()
  const noteShared = watchSlowReaders(membersOf, maxBufferedBytes, timers)
  const gaps = createGapFrames(maxBufferedBytes, onGap, timers)

  /** True: some are held back. */
  function send (topic: string, event: string | null, frame: Uint8Array, isPlain: boolean): boolean {
    const isOwn = isPersonal(topic)
    let [shared, someAreHeld] = [false, false]
    // A copy is not needed: ending a session removes it from the group, which is allowed.
    for (const session of membersOf(topic)) {
      if (isHeld(session, topic)) {
        someAreHeld = true
        // What has no place is not found again by its cursor.
        if (isPlain && session.held?.get(topic)?.isRunning === true && isWanted(session, event)) sendText(session, frame, maxBufferedBytes)
      } else if (event === null) {
        passOver(session, topic)
      } else if (session.eventTypes === null && !isOwn) {
        shared = true
        session.messagesOut++
        if (!isPlain) session.passedOver?.delete(topic)
      } else if (isWanted(session, event)) {
        if (!isPlain) session.passedOver?.delete(topic)
        sendText(session, frame, maxBufferedBytes)
      } else if (!isPlain) {
        passOver(session, topic)
      }
    }
    if (shared) {
      sendToTopic(topic, frame)
      noteShared(topic)
    }
    return someAreHeld
  }

  return {
    ...listeners,
    deliver (topic, { event, frame }) {
      gaps.flushBefore(topic)
      return send(topic, event, frame, false)
    },
    deliverPlain (topic, { event, data }) {
      gaps.flushBefore(topic)
      send(topic, event, encodeEvent({ topic, event, data, ts: new Date(now()) }), true)
    },
    tellGap (topic, position) {
      for (const session of membersOf(topic)) if (!isHeld(session, topic)) gaps.note(session, topic, position)
    },
    tellGapTo: gaps.note,
    heldOf: (topic) => [...membersOf(topic)].filter(session => isHeld(session, topic))
  }
}

/** Notes that a connection has passed over an event: its position has moved all the same. */
export function passOver (session: Session, topic: string): void {
  session.passedOver ??= new Set()
  session.passedOver.add(topic)
}

/**
 * `publish` says nothing of a slow reader. After each tick's events, every socket that they went to is looked at while a
 * close frame still gets through. Returns what notes a topic as published to.
 */
function watchSlowReaders (
  membersOf: (topic: string) => Iterable<Session>, maxBufferedBytes: number, timers: Pick<Timers, 'soon'>
): (topic: string) => void {
  let published = new Set<string>()
  const look = (): void => {
    const topics = published
    published = new Set()
    for (const topic of topics) {
      for (const session of membersOf(topic)) if (session.eventTypes === null) endIfSlow(session, maxBufferedBytes)
    }
  }
  return (topic) => {
    if (published.size === 0) timers.soon(look)
    published.add(topic)
  }
}
