import { formatPosition, type Position } from '../history/position.js'
import type { Timers } from '../timers.js'
import { sendFrame } from './send-end-close.js'
import type { Session } from './session.js'

/** Gathers what one turn has to tell of gaps: a fail-over is one for each topic, and would be a frame for each. */
export interface GapFrames {
  note (session: Session, topic: string, position: Position): void
  /** Tells what is noted before an event of this topic, which must come after it. */
  flushBefore (topic: string): void
}

/** `onTold`: one connection was told of this number of topics. */
export function createGapFrames (maxBufferedBytes: number, onTold: (topics: number) => void, timers: Pick<Timers, 'soon'>): GapFrames {
  let noted = new Map<Session, Record<string, string>>()
  let topics = new Set<string>()

  function flush (): void {
    const telling = noted
    noted = new Map()
    topics = new Set()
    for (const [session, gaps] of telling) {
      // What was left since is nothing to it any more.
      const held = Object.entries(gaps).filter(([topic]) => session.topics.has(topic))
      if (held.length === 0) continue
      onTold(held.length)
      sendFrame(session, { type: 'gap', topics: Object.fromEntries(held) }, maxBufferedBytes)
    }
  }

  return {
    note (session, topic, position) {
      if (noted.size === 0) timers.soon(flush)
      const gaps = noted.get(session) ?? {}
      gaps[topic] = formatPosition(position)
      noted.set(session, gaps)
      topics.add(topic)
    },
    flushBefore (topic) { if (topics.has(topic)) flush() }
  }
}
