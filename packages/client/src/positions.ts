import { formatPosition, type Position } from './position.js'

/** What a position makes of one that comes: it moves on, it was there before, or the numbering is another. */
export type Move = 'moved' | 'had' | 'other epoch'

/** How far the application is in each topic that it listens to; a topic may be known without a position. */
export interface Positions {
  has (topic: string): boolean
  /** Those that moved last come last. */
  topics (): string[]
  /** What to ask from; null: the position is not known. */
  since (topic: string): string | null
  /** Live events begin at a position, after the newest `last` events before it. Null: the gateway tells none. */
  begin (topic: string, at: Position | null, last: number): void
  /** All after the own position is to follow, and live events begin at `at`. False: that contradicts the own position. */
  goOn (topic: string, at: Position | null): boolean
  move (topic: string, to: Position): Move
  forget (topic: string): void
  /** They were another user's: the topics stay, their positions do not. */
  disown (): void
  /** The connection that had these is over. */
  closed (topics: Iterable<string>): void
}

/** On a connection that stood for this many ms, what `last` asked for has come, or there was nothing. */
const LAST_MS = 10_000

interface Place extends Position {
  /** The application has what is up to here; `offset` is told, and what is between is still to come, if it is kept. Null: all. */
  readonly from: number | null
  readonly beganAtMs: number
}

/** `now`: monotonic, in ms. */
export function createPositions (known: Iterable<readonly [string, Position]>, now: () => number): Positions {
  const places = new Map<string, Place | null>()
  const placeOf = (topic: string): Place | null => places.get(topic) ?? null
  const setPlace = (topic: string, position: Position | null, from: number | null = null): void => {
    places.delete(topic)
    places.set(topic, position === null ? null : { epoch: position.epoch, offset: position.offset, from, beganAtMs: now() })
  }
  for (const [topic, position] of known) setPlace(topic, position)

  return {
    has: topic => places.has(topic),
    topics: () => [...places.keys()],
    since (topic) {
      const place = placeOf(topic)
      return place === null ? null : formatPosition({ epoch: place.epoch, offset: place.from ?? place.offset })
    },
    begin (topic, at, last) {
      setPlace(topic, at, at === null || last === 0 ? null : Math.max(0, at.offset - last))
    },
    goOn (topic, at) {
      const place = placeOf(topic)
      if (place === null || (at !== null && (at.epoch !== place.epoch || at.offset < (place.from ?? place.offset)))) return false
      setPlace(topic, place, place.from)
      return true
    },
    move (topic, to) {
      const place = placeOf(topic)
      const isOther = place !== null && place.epoch !== to.epoch
      if (place !== null && !isOther && to.offset <= (place.from ?? place.offset)) return 'had'
      setPlace(topic, to)
      return isOther ? 'other epoch' : 'moved'
    },
    forget (topic) { places.delete(topic) },
    disown () { for (const topic of places.keys()) places.set(topic, null) },
    closed (topics) {
      for (const topic of topics) {
        const place = placeOf(topic)
        if (place !== null && place.from !== null && now() - place.beganAtMs >= LAST_MS) setPlace(topic, place)
      }
    }
  }
}
