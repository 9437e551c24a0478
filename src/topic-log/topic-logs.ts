import type { Bus, BusEvent, BusHandlers } from '../bus/bus.js'
import type { Head, HeadAnswer, HeadQuestion, History, HistorySettings } from '../history/history.js'
import type { Position } from '../history/position.js'
import type { Timers } from '../timers.js'
import type { LogEntry } from './log-entry.js'

export interface TopicLogsOptions {
  /** Null: nothing is remembered, and events have no places. */
  readonly history: History | null
  /** How much the history keeps; null: nothing is remembered. */
  readonly settings: HistorySettings | null
  readonly openBus: (handlers: BusHandlers) => Bus
  /** Reads a head without waiting; null: that cannot be. */
  readonly readHead: ((question: HeadQuestion) => HeadAnswer) | null
  readonly timers: Timers
  /** Events are given with the publisher's trace. Default: without. */
  readonly showsTraces?: boolean
  /** In ms since the epoch. */
  readonly now?: () => number
  /** The store will not tell of a topic, for a reason that is not its being away. */
  readonly onUnreadable?: (error: unknown) => void
  /** One call for events was made. */
  readonly onRead?: () => void
}

/** A head, and when it was asked for: monotonic, in ms. */
export interface KnownHead {
  readonly head: Head
  readonly askedAtMs: number
}

/** What is done with what is heard. */
export interface TopicHandlers {
  /** Gives an event to the live connections. */
  readonly onEntry: (topic: string, entry: LogEntry) => void
  /** The same for one without a place. */
  readonly onPlain: (topic: string, event: BusEvent) => void
  /** Events of a topic may be missing for its live connections; the next one comes after `position`. */
  readonly onGap: (topic: string, position: Position) => void
  /** Where a topic stands is known now, for the first time or again. */
  readonly onOpen: (topic: string) => void
}

/** What a process knows of the topics that it listens to: a bus whose events have places, and what came before. */
export interface TopicLogs {
  /** To be called before the first `subscribe`. */
  start (handlers: TopicHandlers): void
  /**
   * As `Bus.subscribe`; afterwards the topic's `position` is known, unless the store remembers nothing. `known`: what the store said
   * as it noted that this process has connections of the topic's user.
   */
  subscribe (topic: string, known?: KnownHead | null): Promise<void>
  unsubscribe (topic: string): void
  /** Whether it is known where the topic stands, or that nothing is remembered of it. */
  isOpen (topic: string): boolean
  /** Where live events begin; null: nothing is known. */
  positionOf (topic: string): Position | null
  /** What the store says of a topic at once; null: it cannot be asked so. */
  headOf (topic: string, since: Position | null): HeadAnswer | null
  /** The event after a position, if it is held. */
  after (topic: string, position: Position): LogEntry | undefined
  /** Whether every event after a position is held. */
  holdsAfter (topic: string, position: Position): boolean
  /** Now, in the order of questions to the store. */
  moment (): number
  /**
   * Makes sure that every event after a position is held, as far as this turn goes; false: the store keeps not all of them any more,
   * by what it said after `moment`. Rejects when the store does not answer.
   */
  reach (topic: string, since: Position, moment: number): Promise<boolean>
  /** The same for the newest `count` events or as many as there are; resolves with the position before them, null: nothing is known. */
  reachLast (topic: string, count: number, moment: number): Promise<Position | null>
  close (): Promise<void>
}
