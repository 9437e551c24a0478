import { SweptMap } from '../collections/swept-map.js'
import { Cursor } from './cursor.js'
import type { Session } from './session.js'
import { SessionGroup } from './session-group.js'
import { isPersonal } from './topics.js'

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

/** Its live events are held back: its cursor gives it what comes before them. */
export const isHeld = (session: Session, topic: string): boolean => session.held !== null && session.held.has(topic)

/** Which connections of this process listen to which topic, and which of them get its live events. */
export interface TopicListeners {
  /** Makes a connection listen to a topic, whose live events are held back until `goLive`; false when it listens already. */
  attach (session: Session, topic: string): boolean
  /** Makes a connection that does not listen to a topic do so, and gives it the live events from this turn on. */
  attachLive (session: Session, topic: string): void
  /** Gives it the live events from this turn on. */
  goLive (session: Session, topic: string): void
  /** Ends the events of a topic; false when it did not listen. */
  detach (session: Session, topic: string): boolean
  /** Changes which event types a connection gets, on all its topics. */
  narrow (session: Session, eventTypes: ReadonlySet<string> | null): void
  /** Those who listen to a topic; may be left while they are gone through. */
  membersOf (topic: string): Iterable<Session>
}

/** Makes the listeners of one process. */
export function createTopicListeners (): TopicListeners {
  const listeners = new SweptMap(topic => new SessionGroup(topic))
  function join (session: Session, topic: string): string {
    const group = listeners.open(topic)
    group.add(session)
    session.topics.add(group.name)
    return group.name
  }
  return {
    attach (session, topic) {
      if (session.topics.has(topic)) return false
      const name = join(session, topic)
      session.held ??= new Map()
      session.held.set(name, new Cursor())
      return true
    },
    attachLive (session, topic) {
      join(session, topic)
      if (joinsNatively(session, topic)) session.socket.subscribe(topic)
    },
    goLive (session, topic) {
      if (session.held?.delete(topic) !== true) return
      if (session.held.size === 0) session.held = null
      if (joinsNatively(session, topic)) session.socket.subscribe(topic)
    },
    detach (session, topic) {
      if (!session.topics.delete(topic)) return false
      const group = listeners.get(topic)
      group?.remove(session)
      if (group?.size === 0) listeners.noteEmpty()
      session.passedOver?.delete(topic)
      if (session.held?.delete(topic) === true) {
        if (session.held.size === 0) session.held = null
      } else if (joinsNatively(session, topic)) {
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
        if (isPersonal(topic) || isHeld(session, topic)) continue
        if (wasShared) session.socket.unsubscribe(topic)
        else session.socket.subscribe(topic)
      }
    },
    membersOf: topic => listeners.get(topic)?.members() ?? []
  }
}
