import { parseTopic } from '../bus/topics.js'
import type { HistorySettings } from '../history/history.js'
import type { TopicLog } from './topic-log.js'

/** How far the clock of this machine may be from the store's, and a message be on its way. */
const CLOCK_MARGIN_MS = 1000

/**
 * Whether the store keeps every event after an offset, by number, bytes and age. False: perhaps not, and the store is to be asked;
 * each of the three is taken to be more than it may be.
 * @param nowMs ms since the epoch
 */
export function surelyKeeps (log: TopicLog, offset: number, { events, maxBytes, keepMs }: HistorySettings, nowMs: number): boolean {
  if (offset >= log.last) return true
  if (log.last - offset > (events.get(parseTopic(log.topic)?.kind ?? '') ?? 0)) return false
  const oldest = log.at(offset + 1)
  if (oldest !== undefined && nowMs - oldest.atMs > keepMs - CLOCK_MARGIN_MS) return false
  return log.heldBytes <= maxBytes || bytesAfter(log, offset, maxBytes) <= maxBytes
}

/** The smallest offset from `from` on after which all is kept. */
export function firstSurelyKept (log: TopicLog, from: number, settings: HistorySettings, nowMs: number): number {
  let offset = from
  while (!surelyKeeps(log, offset, settings, nowMs)) offset++
  return offset
}

/** Frames are larger than what the store keeps of an event. Stops counting above `mostBytes`. */
function bytesAfter (log: TopicLog, offset: number, mostBytes: number): number {
  let bytes = 0
  for (let at = log.last; at > offset && bytes <= mostBytes; at--) bytes += log.at(at)?.frame.length ?? 0
  return bytes
}
