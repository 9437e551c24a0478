/** Why a request failed, when it was not the gateway that refused it. */
export type OwnRequestFailure =
  /** The connection ended before the answer: whether the gateway has stored it is not known. */
  | 'connection_lost'
  /** No answer in time, or no connection. */
  | 'timeout'
  /** Too much waits already. */
  | 'queue_full'
  /** The client is closed, or was closed meanwhile. */
  | 'closed'
  /** It was not sent, as the gateway would take it for malformed. */
  | 'bad_request'
  /** It was not sent, as it is larger than the gateway takes. */
  | 'frame_too_large'

/** A `send`, `subscribe` or `unsubscribe` that did not succeed. */
export class RequestError extends Error {
  override readonly name = 'RequestError'

  constructor (
    /** One of `OwnRequestFailure`, or the gateway's own name, such as `forbidden`. */
    readonly reason: string,
    message: string,
    /** When another attempt can succeed, in ms; null when nothing was told. */
    readonly retryAfterMs: number | null = null
  ) {
    super(message)
  }
}
