import type { Position } from '../history/position.js'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'
import { replayOf, type LogEntry } from '../topic-log/log-entry.js'
import type { TopicLogs } from '../topic-log/topic-logs.js'
import type { Cursor } from './cursor.js'
import { passOver, type Delivery } from './deliver.js'
import type { Report } from './report.js'
import { sendText } from './send-end-close.js'
import type { Session } from './session.js'

export interface ReplaysDeps {
  readonly logs: Pick<TopicLogs, 'isOpen' | 'positionOf' | 'after' | 'reach'>
  readonly delivery: Pick<Delivery, 'goLive' | 'heldOf' | 'tellGapTo'>
  readonly report: Pick<Report, 'fault'>
  readonly maxBufferedBytes: number
  readonly timers?: Pick<Timers, 'after'>
}

/** A store that is away is asked again after this. */
const RETRY_MS = 1000

/** Moves connections through the logs of their topics, from where each stands to the live events. */
export interface Replays {
  /** Begins: all after `from` is owed to the connection. Up to `replayedTo` it is marked as replayed. `from` null: nothing before now. */
  start (session: Session, topic: string, from: Position | null, replayedTo: number): void
  /** A connection can take more. */
  resume (session: Session): void
  /** Something has changed in a topic's log: it is open, it goes on elsewhere, there is more. */
  moveOn (topic: string): void
}

export function createReplays ({ logs, delivery, report, maxBufferedBytes, timers = SYSTEM_TIMERS }: ReplaysDeps): Replays {
  /** Gives what a connection can take now. The turn in which it stands where the live events begin makes it live. */
  function run (session: Session, topic: string): void {
    const cursor = session.held?.get(topic)
    if (cursor === undefined || !cursor.isRunning || cursor.isLoading || session.ending !== null || !logs.isOpen(topic)) return
    for (;;) {
      const live = logs.positionOf(topic)
      const { position } = cursor
      if (position === null) return delivery.goLive(session, topic)
      // It was told a position, and the store would not say since: the first event that is heard, or its next word, shows what is missing.
      if (live === null) return
      // Which of the two is in force the store knows: its word as the connection opened may be newer than what was heard here.
      if (position.epoch !== live.epoch) return load(session, topic, cursor, position)
      if (position.offset === live.offset) return delivery.goLive(session, topic)
      // It has had more than was heard here, which is on its way.
      if (position.offset > live.offset) return
      const entry = logs.after(topic, position)
      if (entry === undefined) return load(session, topic, cursor, position)
      if (!hasRoom(session, entry, maxBufferedBytes)) return
      give(session, topic, { cursor, entry, maxBufferedBytes })
      cursor.position = { epoch: position.epoch, offset: entry.offset }
      // Who reads too slowly has been ended by what it was given.
      if (session.held?.get(topic) !== cursor) return
    }
  }

  /** Reads what it needs; where that is not there any more, it goes on with the live events. */
  function load (session: Session, topic: string, cursor: Cursor, position: Position): void {
    cursor.isLoading = true
    // It was told already what is there: no newer word is needed.
    logs.reach(topic, position, 0).catch(() => null).then((isThere) => {
      cursor.isLoading = false
      takeLoaded(session, topic, cursor, isThere)
    }).catch((error: unknown) => { report.fault(error, 'replay') })
  }

  function takeLoaded (session: Session, topic: string, cursor: Cursor, isThere: boolean | null): void {
    if (session.held?.get(topic) !== cursor) return
    const live = logs.positionOf(topic)
    if (isThere === true || live === null) return session.socket.together(() => { run(session, topic) })
    // A store that is away does not say what it has, and is not waited for; only it knows which numbering is in force.
    if (isThere === false || live.epoch === cursor.position?.epoch) return skip(delivery, session, topic, live)
    timers.after(RETRY_MS, () => { if (session.held?.get(topic) === cursor) guarded(session, topic) })
  }

  function guarded (session: Session, topic: string): void {
    try {
      session.socket.together(() => { run(session, topic) })
    } catch (error) {
      report.fault(error, 'replay')
    }
  }

  return {
    start (session, topic, from, replayedTo) {
      const cursor = session.held?.get(topic)
      if (cursor === undefined) return
      cursor.begin(from, replayedTo)
      run(session, topic)
    },
    resume (session) {
      if (session.held === null) return
      for (const topic of [...session.held.keys()]) guarded(session, topic)
    },
    moveOn (topic) {
      for (const session of delivery.heldOf(topic)) guarded(session, topic)
    }
  }
}

/** Most that a frame is longer on the wire. */
const HEADER_BYTES = 14

function hasRoom ({ socket }: Session, { frame }: LogEntry, maxBufferedBytes: number): boolean {
  const buffered = socket.bufferedBytes()
  return buffered === 0 || buffered + frame.length <= maxBufferedBytes / 2
}

interface Given { readonly cursor: Cursor, readonly entry: LogEntry, readonly maxBufferedBytes: number }

function give (session: Session, topic: string, { cursor, entry, maxBufferedBytes }: Given): void {
  if (entry.event === null || session.eventTypes?.has(entry.event) === false) return passOver(session, topic)
  session.passedOver?.delete(topic)
  const frame = entry.offset <= cursor.replayedTo ? replayOf(entry) : entry.frame
  // One that is larger than what may wait is given to an empty socket only: its client is not slow.
  sendText(session, frame, Math.max(maxBufferedBytes, frame.length + HEADER_BYTES))
}

/** What it needs is not there any more: it goes on with the live events. */
function skip (delivery: ReplaysDeps['delivery'], session: Session, topic: string, live: Position): void {
  delivery.tellGapTo(session, topic, live)
  delivery.goLive(session, topic)
}
