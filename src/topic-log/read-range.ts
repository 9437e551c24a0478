import type { Head, History, Range } from '../history/history.js'
import type { LogEntry } from './log-entry.js'
import { readKept } from './to-entry.js'

/**
 * Reads all that is kept of a range, slice after slice from its end: consecutive, up to `to`. Nothing where the event at `to`
 * is not kept, or the epoch is another.
 */
export async function readRange (
  history: Pick<History, 'readEvents'>, topic: string, range: Range, showsTraces = false
): Promise<{ readonly head: Head, readonly events: LogEntry[] }> {
  const slices: LogEntry[][] = []
  for (let { to } = range; ;) {
    const { head, events } = await history.readEvents(topic, { ...range, to })
    const [first] = events
    // An epoch that ended meanwhile takes with it what was read before.
    if (head.epoch !== range.epoch) return { head, events: [] }
    if (first !== undefined) slices.unshift(events.map(kept => readKept(topic, kept, showsTraces)))
    if (first === undefined || first.offset <= range.from) return { head, events: slices.flat() }
    to = first.offset - 1
  }
}
