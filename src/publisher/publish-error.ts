/**
 * Why an event was not published. `bad_request`: it cannot be, as it is. `unauthorized`: the key, or the user of Redis, has no right.
 * `unavailable`: nobody took it within the time for retries. `unexpected`: the answer was none that is known, as from a wrong URL.
 */
export type PublishErrorCode = 'bad_request' | 'unauthorized' | 'unavailable' | 'unexpected'

/** An event was not published, as far as is known. */
export class PublishError extends Error {
  override readonly name = 'PublishError'
  /** Under which it was asked for: with the same id it may be asked for again, and is published once. */
  id = ''

  /** `mayBePublished`: the answer was lost, and the event perhaps not. */
  constructor (readonly code: PublishErrorCode, message: string, public mayBePublished: boolean, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
  }
}
