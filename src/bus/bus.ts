/** An event on its way to subscribers. */
export interface BusEvent {
  readonly event: string
  /** Any JSON value; or a `JsonText`, whose bytes arrive as they are. A bus gives what it carries as a `JsonText`. */
  readonly data: unknown
}

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
  /** Counts one listener less; the last one leaves the channel. */
  unsubscribe (topic: string): void
  /** Publishes to every process. Resolves once the back end has it. */
  publish (topic: string, event: BusEvent): Promise<void>
  close (): Promise<void>
}

/** Receives each validated event of a subscribed topic, in the topic's order. */
export type OnBusEvent = (topic: string, event: BusEvent) => void
