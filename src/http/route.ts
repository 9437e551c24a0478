import type { ClientAddress } from '../address/client-address.js'

/** An answer to a plain HTTP request. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

/** A body as text, or the answer that says why there is none. */
export type BodyReading = { readonly ok: true, readonly text: string } | { readonly ok: false, readonly answer: HttpAnswer }

export interface HttpRequest {
  readonly path: string
  /** As sent, undecoded, without the `?`. */
  readonly query: string
  /** Lower-case names; several lines of one are joined by `, ` in order (RFC 9110 section 5.3). */
  readonly headers: ReadonlyMap<string, string>
  /** Where the client is, behind trusted proxies. */
  readonly address: ClientAddress
  /** Reads the body; never rejects. To be called once, before anything is awaited: what arrives unread is lost. */
  readBody (): Promise<BodyReading>
}

/** A plain HTTP endpoint on the main port. */
export interface HttpRoute {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** A longer body is answered 413. */
  readonly maxBodyBytes: number
  /** Asked once the head is there; the body waits until it is read. Rejecting is a fault: the client gets 503 and the fault is logged. */
  handle (request: HttpRequest): HttpAnswer | Promise<HttpAnswer>
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  202: 'Accepted',
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  503: 'Service Unavailable'
}

/** The status line's text. The native layer wants a string such as `404 Not Found`. */
export function statusLine (status: number): string {
  return `${status} ${REASONS[status] ?? 'Status'}`
}

/** What a client gets when a handler threw. */
export const FAULT: HttpAnswer = {
  status: 503,
  headers: [['Content-Type', 'application/json'], ['Retry-After', '1']],
  body: '{"error":"unavailable","message":"the request could not be handled"}'
}
