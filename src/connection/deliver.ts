import type { BusEvent } from '../bus/bus.js'
import { encodeEvent } from '../wire/event-frame.js'
import { endIfSlow, sendText } from './send-end-close.js'
import type { Session } from './session.js'
import { SessionGroup } from './session-group.js'
import { isPersonal } from './topics.js'
import { SweptMap } from '../collections/swept-map.js'

/**
 * A native topic without events. Leaving one's last topic frees the native subscriber together with what was published to
 * it and not yet written, so a connection that leaves all of them joins this one first.
 */
const KEEP = 'keep'

/**
 * The few sockets of one user get that user's events one by one: the native topic that every connection would need for
 * it costs more, in time and memory, than it saves. The native layer keeps the order of both ways at each socket.
 */
const joinsNatively = (session: Session, topic: string): boolean => session.eventTypes === null && !isPersonal(topic)

/** Carries events from the bus to the sockets of this process. */
export interface Delivery {
  /** Starts the events of a topic for a connection; false when it listens already. */
  attach (session: Session, topic: string): boolean
  /** Ends them; false when it did not listen. */
  detach (session: Session, topic: string): boolean
  /** Changes which event types a connection gets, on all its topics. */
  narrow (session: Session, eventTypes: ReadonlySet<string> | null): void
  /** Delivers one event to all that listen to its topic, in order. */
  deliver (topic: string, event: BusEvent): void
}

/**
 * Events go out by the native `publish`, which shares one frame among all subscribers; a connection that narrows its
 * event types gets them one by one instead. A connection uses one way only for a topic, so its order is the topic's.
 */
export function createDelivery (sendToTopic: (topic: string, frame: Uint8Array) => void, maxBufferedBytes: number): Delivery {
  const listeners = new SweptMap(topic => new SessionGroup(topic))
  const noteShared = watchSlowReaders(topic => listeners.get(topic)?.members() ?? [], maxBufferedBytes)

  return {
    attach (session, topic) {
      if (session.topics.has(topic)) return false
      const group = listeners.open(topic)
      group.add(session)
      session.topics.add(group.name)
      if (joinsNatively(session, topic)) session.socket.subscribe(topic)
      return true
    },
    detach (session, topic) {
      if (!session.topics.delete(topic)) return false
      const group = listeners.get(topic)
      group?.remove(session)
      if (group?.size === 0) listeners.noteEmpty()
      if (joinsNatively(session, topic)) {
        // One that has ended hears nothing more, and its native subscriber is gone.
        if (session.ending === null) session.socket.subscribe(KEEP)
        session.socket.unsubscribe(topic)
      }
      return true
    },
    narrow (session, eventTypes) {
      const wasShared = session.eventTypes === null
      session.eventTypes = eventTypes
      if (wasShared === (eventTypes === null)) return
      if (wasShared) session.socket.subscribe(KEEP)
      for (const topic of session.topics) {
        if (isPersonal(topic)) continue
        if (wasShared) session.socket.unsubscribe(topic)
        else session.socket.subscribe(topic)
      }
    },
    deliver (topic, { event, data }) {
      const group = listeners.get(topic)
      if (group === undefined) return
      const frame = encodeEvent({ topic, event, data, ts: new Date() })
      let shared = false
      // A copy is not needed: ending a session removes it from the group, which is allowed.
      for (const session of group.members()) {
        if (joinsNatively(session, topic)) {
          shared = true
          session.messagesOut++
        } else if (session.eventTypes?.has(event) !== false) {
          sendText(session, frame, maxBufferedBytes)
        }
      }
      if (!shared) return
      sendToTopic(topic, frame)
      noteShared(topic)
    }
  }
}

/**
 * `publish` says nothing of a slow reader. After each tick's events, every socket that they went to is looked at while a
 * close frame still gets through. Returns what notes a topic as published to.
 */
function watchSlowReaders (membersOf: (topic: string) => Iterable<Session>, maxBufferedBytes: number): (topic: string) => void {
  let published = new Set<string>()
  const look = (): void => {
    const topics = published
    published = new Set()
    for (const topic of topics) {
      for (const session of membersOf(topic)) if (session.eventTypes === null) endIfSlow(session, maxBufferedBytes)
    }
  }
  return (topic) => {
    if (published.size === 0) setImmediate(look)
    published.add(topic)
  }
}
