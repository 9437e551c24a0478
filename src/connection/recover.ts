import { parseTopic } from '../bus/topics.js'
import type { HeadAnswer } from '../history/history.js'
import { formatPosition, parsePosition, type Position } from '../history/position.js'
import type { TopicLogs } from '../topic-log/topic-logs.js'

/** What a client wants of what came before, of topics that it begins to listen to. */
export interface Wish {
  /** The position that it names for a topic, as it wrote it. */
  readonly since: ReadonlyMap<string, string>
  /** How many of the newest events of each other topic it wants; null: none. */
  readonly last: number | null
  /** How many are kept, by kind of topic: `last` gives no more. */
  readonly kept: ReadonlyMap<string, number>
  /** When it was asked, in the order of questions to the store: an earlier answer does not count. */
  readonly moment: number
}

export const NO_WISH: Wish = { since: new Map(), last: null, kept: new Map(), moment: 0 }

/** Where a connection begins in a topic: after `from`; null: with the live events. */
type Beginnings = ReadonlyMap<string, Position | null>

/** What `subscribed` says of positions and recoveries. */
export interface Told {
  readonly positions: Readonly<Record<string, string>>
  readonly recovered: Readonly<Record<string, boolean>>
}

/**
 * Finds where a connection begins in each of some topics, which it listens to, and has read what it needs for that. Rejects when
 * the store does not answer.
 */
export async function findBeginnings (
  logs: Pick<TopicLogs, 'reach' | 'reachLast'>, topics: readonly string[], { since, last, kept, moment }: Wish
): Promise<Beginnings> {
  return new Map(await Promise.all(topics.map(async (topic): Promise<[string, Position | null]> => {
    const text = since.get(topic)
    if (text === undefined) {
      const count = Math.min(last ?? 0, kept.get(parseTopic(topic)?.kind ?? '') ?? 0)
      return [topic, count === 0 ? null : await logs.reachLast(topic, count, moment)]
    }
    const from = parsePosition(text)
    return [topic, from !== null && await logs.reach(topic, from, moment) ? from : null]
  })))
}

/**
 * What is told of what was found, in the turn in which it begins: a numbering that has ended since makes it worthless, and
 * what was withdrawn, or `*` no longer shows, is not to be had.
 */
export function tellBeginnings (
  logs: Pick<TopicLogs, 'positionOf'>, found: Beginnings, { since, last }: Wish, isHeld: (topic: string) => boolean
): { readonly told: Told, readonly beginnings: Beginnings } {
  const [positions, recovered]: [Record<string, string>, Record<string, boolean>] = [{}, {}]
  const beginnings = new Map<string, Position | null>()
  for (const topic of since.keys()) recovered[topic] = false
  for (const [topic, from] of found) {
    if (!isHeld(topic)) continue
    const live = logs.positionOf(topic)
    const isGood = from !== null && from.epoch === live?.epoch
    if (since.has(topic)) recovered[topic] = isGood
    // More may have come since it was read.
    const least = isGood && !since.has(topic) && last !== null ? live.offset - last : 0
    beginnings.set(topic, isGood ? { ...from, offset: Math.max(from.offset, least) } : null)
    if (live !== null) positions[topic] = formatPosition(live)
  }
  return { told: { positions, recovered }, beginnings }
}

/** Where a connection begins in its user's own topic, and what `welcome` says of it. */
export interface OwnBeginning {
  /** From where on events are live; null: not known. */
  readonly position: Position | null
  /** What it has had; null: not known. */
  readonly from: Position | null
  /** Null: it named no position. */
  readonly recovered: boolean | null
}

/**
 * Decides at once, as `welcome` leaves with the handshake: by what this process has heard, and by the head that the store gave
 * while it let the connection in (null: it did not).
 */
export function findOwnBeginning (
  logs: Pick<TopicLogs, 'positionOf' | 'holdsAfter' | 'headOf'>, topic: string, given: HeadAnswer | null, since: string | null
): OwnBeginning {
  const from = since === null ? null : parsePosition(since)
  const heard = logs.positionOf(topic)
  const head = given ?? logs.headOf(topic, from)
  const read = head === null ? null : { epoch: head.epoch, offset: head.top }
  // The store's word is the newer one where the numbering has changed, or this process has not heard all yet.
  const isNewer = read !== null && (heard === null || read.epoch !== heard.epoch || read.offset > heard.offset)
  const position = isNewer ? read : heard
  if (since === null) return { position, from: position, recovered: null }
  // What this process holds counts only where the store has not answered, or has not heard of it yet.
  const isKept = from !== null && (head !== null && from.offset <= head.top ? head.isKept : logs.holdsAfter(topic, from))
  const isThere = from !== null && from.epoch === position?.epoch && isKept
  return isThere ? { position, from, recovered: true } : { position, from: position, recovered: false }
}
