import type { JsonText } from '../wire/json-text.js'
import type { Position } from './position.js'

/**
 * The port of what is remembered of topics; docs/HISTORY.md explains its words and what it vouches for. Two implementations
 * (Redis, memory) pass one conformance suite.
 */

/** What is remembered of a topic's numbering. */
export interface Head {
  readonly epoch: string
  /** The offset that was given last; 0: none was. */
  readonly top: number
  /** When the event at `top` was published, in ms since the epoch by the store's clock; 0: none was. */
  readonly topAtMs: number
}

/** What is asked of one topic's head. */
export interface HeadQuestion {
  readonly topic: string
  /** Whether all events after this offset of this epoch are kept is asked too; null: it is not. */
  readonly since: Position | null
  /** The topic has a listener: what is remembered of it must live on (`WS_HISTORY_META_S`). */
  readonly touch: boolean
}

export interface HeadAnswer extends Head {
  /** Whether every event after `since` is kept and not too old; false where none was asked for. */
  readonly isKept: boolean
}

/** An event to publish. */
export interface Publication {
  readonly topic: string
  /** 1 to 128 characters. */
  readonly event: string
  readonly data: JsonText
  /** By which a repeated publication is known, 1 to 64 characters; null: it is not. */
  readonly id: string | null
  /** The `traceparent` that goes with it to those who listen; absent: none does. */
  readonly trace?: string
}

export interface Published extends Position {
  /** It had been published before under the same id, and was not again. */
  readonly isDuplicate: boolean
}

/** One event as it was published: what the channel carried, with its place (see bus-message.ts). */
export interface KeptEvent {
  readonly offset: number
  readonly payload: Buffer
}

/** A part of what is kept of a topic. */
export interface Slice {
  readonly head: Head
  /**
   * Consecutive, oldest first, the last of them at `to` as asked; as many as fit, so there may be more before them. Empty: the
   * event at `to` is not kept, or too old.
   */
  readonly events: readonly KeptEvent[]
}

/** What is wanted of a topic's events: those from `from` to `to`, both included, of an epoch. */
export interface Range {
  readonly epoch: string
  readonly from: number
  readonly to: number
}

/** Most events, and most bytes of them, in one slice; one event is given however large it is. */
export const SLICE_EVENTS = 64
export const SLICE_BYTES = 262_144

export interface History {
  /**
   * Numbers, keeps and publishes events, each in one step. Those of one topic keep their order. Each has an outcome of its own,
   * in order: rejected where the store did not take it, or did not answer in time (`outcomeOfOperation` tells which).
   */
  publish (publications: readonly Publication[]): Promise<ReadonlyArray<PromiseSettledResult<Published>>>
  /**
   * Reads heads, and begins the numbering of topics that have none. Answers in order; rejected alone where one topic goes wrong
   * by itself. Many topics may be asked for at once.
   */
  readHeads (questions: readonly HeadQuestion[]): Promise<ReadonlyArray<PromiseSettledResult<HeadAnswer>>>
  /** Reads the newest part of a range; nothing of it where the epoch is another. */
  readEvents (topic: string, range: Range): Promise<Slice>
  /**
   * Begins a new epoch, unless the head is no longer the one that was seen; everybody who listens hears of it. For a process
   * that knows of events which the store has lost. Resolves with the head that is in force.
   */
  renew (topic: string, seen: Head): Promise<Head>
  close (): void
}

/** How much is remembered of each topic. */
export interface HistorySettings {
  /** Events by kind of topic, `user` among them: 0 or more. Their numbers bound `last` too. */
  readonly events: ReadonlyMap<string, number>
  /** Nothing older than this is kept, in ms; ids count for this time. */
  readonly keepMs: number
  /** All events of a topic together, in bytes as they are published. */
  readonly maxBytes: number
  /** Epoch and last offset are remembered for this time after the last event or listener, in ms. */
  readonly metaMs: number
}
