/** What a client sent to a resource, on its way to the back end. */
export interface InboundMessage {
  readonly connectionId: string
  readonly userId: string
  /** `<kind>:<id>`. */
  readonly to: string
  /** Any JSON. */
  readonly data: unknown
  /** When it arrived. */
  readonly ts: Date
}

/** Takes clients' messages for the back end. */
export interface Inbound {
  /**
   * Resolves `stored` once the message is stored, `full` when there is no room: nothing is ever dropped to make some.
   * Rejects when the store does not answer.
   */
  append (message: InboundMessage): Promise<'stored' | 'full'>
  /** Ends the taking: every later message is rejected. */
  close (): void
}
