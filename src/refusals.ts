/**
 * Every way in which Portcullis says no, in one table. The same name stands in the HTTP body, the close reason, the
 * error frame, the log line, the metric label and the documents.
 */

/** Whether, and how, a client should come back after this refusal. */
export type Reconnect = 'no' | 'with a new token' | 'after the delay' | 'with back-off' | 'yes'

interface RefusalKind {
  /** HTTP status when the upgrade is refused; null when it cannot happen before the upgrade. */
  readonly status: number | null
  /** WebSocket close code; null when it cannot happen after the upgrade. */
  readonly closeCode: number | null
  readonly reconnect: Reconnect
  /** Whether `refuse=close` turns this refusal into an accept followed by a close. */
  readonly closable: boolean
  /** What the client is told when the step that refused says nothing more exact. */
  readonly message: string
}

export const REFUSALS = {
  bad_request: { status: 400, closeCode: 4400, reconnect: 'no', closable: false, message: 'the request is malformed' },
  missing_token: { status: 401, closeCode: 4401, reconnect: 'with a new token', closable: true, message: 'a token is required' },
  invalid_token: { status: 401, closeCode: 4401, reconnect: 'with a new token', closable: true, message: 'the token is not valid' },
  expired_token: { status: 401, closeCode: 4401, reconnect: 'with a new token', closable: true, message: 'the token has expired' },
  revoked: { status: 401, closeCode: 4401, reconnect: 'with a new token', closable: true, message: 'the token or its session was revoked' },
  forbidden: { status: 403, closeCode: 4403, reconnect: 'no', closable: true, message: 'not allowed, or no such thing' },
  disconnected: { status: null, closeCode: 4403, reconnect: 'no', closable: false, message: 'an operator ended this connection' },
  banned: { status: 403, closeCode: 4403, reconnect: 'after the delay', closable: false, message: 'this address is banned' },
  not_found: { status: 404, closeCode: null, reconnect: 'no', closable: false, message: 'no such path' },
  upgrade_required: { status: 426, closeCode: null, reconnect: 'no', closable: false, message: 'this path speaks WebSocket version 13 only' },
  ip_rate_limited: { status: 429, closeCode: 4429, reconnect: 'after the delay', closable: true, message: 'too many connection attempts from this address' },
  user_connection_limit: { status: 429, closeCode: 4429, reconnect: 'after the delay', closable: true, message: 'this user has too many open connections' },
  too_many_requests: { status: null, closeCode: 4429, reconnect: 'after the delay', closable: false, message: 'too many messages' },
  bad_message: { status: null, closeCode: 4400, reconnect: 'no', closable: false, message: 'the frame is malformed' },
  frame_too_large: { status: null, closeCode: 1009, reconnect: 'no', closable: false, message: 'the message is too large' },
  idle: { status: null, closeCode: 4408, reconnect: 'yes', closable: false, message: 'no data for too long' },
  slow_consumer: { status: null, closeCode: 4508, reconnect: 'yes', closable: false, message: 'the client reads too slowly' },
  restarting: { status: 503, closeCode: 1012, reconnect: 'after the delay', closable: false, message: 'the server is shutting down' },
  overloaded: { status: 503, closeCode: 1013, reconnect: 'with back-off', closable: false, message: 'the server is at its limit' },
  unavailable: { status: 503, closeCode: 4503, reconnect: 'with back-off', closable: true, message: 'a dependency did not answer in time' },
  normal: { status: null, closeCode: 1000, reconnect: 'no', closable: false, message: 'closed' }
} as const satisfies Record<string, RefusalKind>

export type RefusalName = keyof typeof REFUSALS

/** A refusal as a value. Throwing is for faults. */
export interface Refusal {
  readonly name: RefusalName
  /** What the client reads; never holds a token, a query or a dependency's own words. */
  readonly message: string
  /** How long until another attempt can succeed, in ms. */
  readonly retryAfterMs?: number
  /** Why, for the operator's log only, bounded: a word of our own vocabulary, and after a colon what shows it. */
  readonly detail?: string
}

/** Makes a refusal; `message` and `detail` default to the table's. */
export function refuse (name: RefusalName, more: Omit<Partial<Refusal>, 'name'> = {}): Refusal {
  return { name, message: REFUSALS[name].message, ...more }
}

/** The word at the beginning of a refusal's detail; `''` when it has none. */
export function causeOf ({ detail = '' }: Refusal): string {
  const end = detail.indexOf(':')
  return end === -1 ? detail : detail.slice(0, end)
}
