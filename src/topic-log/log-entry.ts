import { markReplayed } from '../wire/event-frame.js'

/** One event in the log of a topic, as its connections get it. */
export interface LogEntry {
  readonly offset: number
  /** When it was published, in ms since the epoch by the store's clock. */
  readonly atMs: number
  /** The event's name; null: what was published is no event, and only takes its offset. */
  readonly event: string | null
  /** Its `event` frame, in UTF-8. */
  readonly frame: Uint8Array
  /** The same for who asked for what came before; made when the first one asks. */
  replay: Uint8Array | null
}

/** The frame of an event for who asked for what came before. */
export function replayOf (entry: LogEntry): Uint8Array {
  entry.replay ??= markReplayed(entry.frame)
  return entry.replay
}

/** What takes an offset and is delivered to nobody. */
export const NO_FRAME = new Uint8Array(0)
