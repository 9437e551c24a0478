import { REFUSALS, type RefusalName } from '../refusals.js'

/** What a route answers, on either port: JSON, text of a type of its own, or nothing but a status. */
export interface Answer {
  /** HTTP status. */
  readonly status: number
  /** Sent as JSON; undefined sends no body. */
  readonly body?: unknown
  /** Sent in place of `body`. */
  readonly text?: { readonly contentType: string, readonly body: string }
  /** Besides those that every answer has: type and length of the content, `Cache-Control`, `X-Content-Type-Options`. */
  readonly headers?: Readonly<Record<string, string>>
  /** The rest of the request is never read, so that its connection can carry no further one. */
  readonly endsConnection?: true
}

/** The answer to a refusal of the common table. */
export function refusalAnswer (name: RefusalName, message: string = REFUSALS[name].message): Answer {
  return { status: REFUSALS[name].status ?? 400, body: { error: name, message } }
}

/** 405 with the methods that the path does take. */
export function methodAnswer (methods: readonly string[]): Answer {
  return {
    status: 405,
    body: { error: 'method_not_allowed', message: 'this path does not take that method' },
    headers: { Allow: methods.flatMap((method) => method === 'GET' ? ['GET', 'HEAD'] : [method]).join(', ') }
  }
}

/** 408: the body was not whole when its time was over. */
export function tooSlowAnswer (): Answer {
  return { status: 408, body: { error: 'bad_request', message: 'the body did not come in time' }, endsConnection: true }
}

/** 413 */
export function tooLargeAnswer (): Answer {
  return { status: 413, body: { error: 'body_too_large', message: 'the body is too large' }, endsConnection: true }
}

/** 429 with whole seconds, at least one, after which another attempt is looked at. */
export function tooManyFailuresAnswer (retryAfterMs: number): Answer {
  const retryAfterS = Math.max(1, Math.ceil(retryAfterMs / 1000))
  return {
    status: 429,
    body: { error: 'too_many_requests', message: 'too many wrong secrets at once', retry_after_s: retryAfterS },
    headers: { 'Retry-After': String(retryAfterS) }
  }
}

/** 500 of the admin port; what went wrong is for the log. */
export function faultAnswer (): Answer {
  return { status: 500, body: { error: 'internal_error', message: 'something went wrong here' } }
}

/** 503: a dependency is away, and the same request may succeed a second later. */
export function unavailableAnswer (message: string): Answer {
  return laterAnswer('unavailable', message)
}

/** 503: too much is under way, and the same request may succeed a second later. */
export function overloadedAnswer (): Answer {
  return laterAnswer('overloaded', REFUSALS.overloaded.message)
}

function laterAnswer (name: 'unavailable' | 'overloaded', message: string): Answer {
  return { status: 503, body: { error: name, message, retry_after_s: 1 }, headers: { 'Retry-After': '1' } }
}
