import type { Position } from '../history/position.js'

/** Where an event stands in its topic, as the store has numbered it. */
export interface Place extends Position {
  /** When it was published, in ms since the epoch by the store's clock. */
  readonly atMs: number
  /** The publisher's own; null: it gave none. */
  readonly id: string | null
  /** The `traceparent` of the request that published it; absent: none came with it. */
  readonly trace?: string
}

/** An event on its way to subscribers. */
export interface BusEvent {
  readonly event: string
  /** Any JSON value; or a `JsonText`, whose bytes arrive as they are. A bus gives what it carries as a `JsonText`. */
  readonly data: unknown
}

/** What `subscribe` may give for a topic that is heard already: no promise is made for it, as every upgrade asks. */
export const HEARD: Promise<void> = Promise.resolve()

/**
 * Carries events from publishers to this process. Topics are `<kind>:<id>` and `user:<user_id>`. Its functions may be passed on
 * by themselves.
 */
export interface Bus {
  /**
   * Counts one more listener of a topic; resolves once every event published from now on will arrive. Rejects when the
   * back end cannot confirm in time: it still counts, and is heard as soon as the back end is there. Whatever its
   * outcome, it is undone by exactly one `unsubscribe`.
   */
  subscribe (topic: string): Promise<void>
  /**
   * A monotonic time, in ms: whatever is addressed to this process after it is heard by who subscribes to the topic now, even if it
   * came before. Infinity, or no such function: only what is published from the confirmation on.
   */
  completeSinceMs? (topic: string): number
  /** Nobody who publishes to this topic can be told of this process: it must hear the topic's own channel. */
  hearItself? (topic: string): void
  /** Counts one listener less; the last one leaves the channel. */
  unsubscribe (topic: string): void
  /** Publishes to every process. Resolves once the back end has it. */
  publish (topic: string, event: BusEvent): Promise<void>
  close (): Promise<void>
}

/** Receives each validated event of a subscribed topic, in the topic's order; `place`: where the store has numbered it. */
export type OnBusEvent = (topic: string, event: BusEvent, place?: Place | null) => void

/** What a bus tells of the topics that it is asked for. A bus that never misses anything may leave out all but the first. */
export interface BusHandlers {
  readonly onEvent: OnBusEvent
  /** Something that is no event has taken a place. */
  readonly onBlank?: (topic: string, place: Place) => void
  /** From now on every message of this topic arrives: for the first time, or again. */
  readonly onHeard?: (topic: string) => void
  /** Messages of these topics may have been missed, and may be until `onHeard`. */
  readonly onUnheard?: (topics: readonly string[]) => void
  /** Nobody listens any more: what is published from now on is missed. */
  readonly onLeft?: (topic: string) => void
}
