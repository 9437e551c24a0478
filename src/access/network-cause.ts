import { findNetworkFault } from '../network-fault.js'
import type { AccessCause } from './causes.js'

/** The driver of Postgres could not log in. */
const LOGIN = /^SASL_/

/** What a failure on the way to a database or PostgREST means, by its code (null: it has none). */
export function causeOfNetworkError (error: unknown, code: string | null): AccessCause {
  return findNetworkFault(error, code) ?? (code !== null && LOGIN.test(code) ? 'login_refused' : 'unknown')
}
