import type { JsonText } from '../wire/json-text.js'

/** What a client sent to a resource, on its way to the back end. */
export interface InboundMessage {
  readonly connectionId: string
  readonly userId: string
  /** `<kind>:<id>`. */
  readonly to: string
  readonly data: JsonText
  /** When it arrived. */
  readonly ts: Date
  /** The frame's own `id`: by user and id a back end knows a message again that was sent twice. */
  readonly id?: string | undefined
  /** The frame's trace. */
  readonly traceparent?: string | undefined
}

/** What may wait for the back end, in bytes as `inboundCost` counts them. */
export interface InboundBounds {
  /** Messages. */
  readonly maxEntries: number
  readonly maxBytes: number
  readonly maxUserBytes: number
}

/** Takes clients' messages for the back end. */
export interface Inbound {
  /**
   * Resolves `stored` once the message is stored; `full` when there is no room, `user_full` when there is none for this user:
   * nothing is ever dropped to make some. Rejects when the store does not answer.
   */
  append (message: InboundMessage): Promise<'stored' | 'full' | 'user_full'>
  /** Ends the taking: every later message is rejected. */
  close (): void
}
