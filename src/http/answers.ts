import { REFUSALS, type RefusalName } from '../refusals.js'
import type { Authentication } from './auth.js'
import type { Readiness } from '../gateway/readiness.js'

/** What is sent back: JSON, text of a type of its own, or nothing. */
export interface AdminAnswer {
  /** HTTP status. */
  readonly status: number
  /** Sent as JSON; undefined sends no body. */
  readonly body?: unknown
  readonly text?: { readonly contentType: string, readonly body: string }
  readonly headers?: Readonly<Record<string, string>>
}

/** The answer to a refusal of the common table, in the shape that the main port uses. */
export function refusalAnswer (name: RefusalName, message: string = REFUSALS[name].message): AdminAnswer {
  return { status: REFUSALS[name].status ?? 400, body: { error: name, message } }
}

/** 405 with the methods that the path does take. */
export function methodAnswer (methods: readonly string[]): AdminAnswer {
  return {
    status: 405,
    body: { error: 'method_not_allowed', message: 'this path does not take that method' },
    headers: { Allow: methods.flatMap((method) => method === 'GET' ? ['GET', 'HEAD'] : [method]).join(', ') }
  }
}

/** 413; the rest of the body is never read, so the connection cannot carry another request. */
export function tooLargeAnswer (): AdminAnswer {
  return { status: 413, body: { error: 'body_too_large', message: 'the body is too large' }, headers: { Connection: 'close' } }
}

/** 500; what went wrong is for the log. */
export function faultAnswer (): AdminAnswer {
  return { status: 500, body: { error: 'internal_error', message: 'something went wrong here' } }
}

/** The answer to an authentication that failed; null when it did not. Without a secret the path does not exist. */
export function denialAnswer (authentication: Authentication): AdminAnswer | null {
  switch (authentication.verdict) {
    case 'ok': return null
    case 'hidden': return refusalAnswer('not_found')
    case 'unauthorized': return {
      ...refusalAnswer('invalid_token', 'a valid credential is required'),
      headers: { 'WWW-Authenticate': 'Bearer' }
    }
    case 'limited': {
      const retryAfterS = Math.max(1, Math.ceil(authentication.retryAfterMs / 1000))
      return {
        status: 429,
        body: { error: 'too_many_requests', message: 'too many failed attempts from this address', retry_after_s: retryAfterS },
        headers: { 'Retry-After': String(retryAfterS) }
      }
    }
  }
}

/** 200 or 503, with the reasons. */
export function readinessAnswer ({ ready, reasons, issuersWithoutKeys }: Readiness): AdminAnswer {
  return {
    status: ready ? 200 : 503,
    body: { status: ready ? 'ready' : 'not_ready', reasons, issuers_without_keys: issuersWithoutKeys }
  }
}
