import type { AccessCause } from './causes.js'

/** An SQLSTATE. Policies may raise any, and a server that is none may send anything. */
const SQLSTATE = /^[0-9A-Z]{5}$/
/** Classes that say that the server is in trouble, not the statement: connection, resources, operator, system, bug. */
const TROUBLE = /^(?:08|53|57|58|XX)/
/** `query_canceled`: a statement took too long. That is an answer about this statement, and nobody else's. */
const CANCELED = '57014'

/** By the whole code, else by its class. */
const CAUSES: Readonly<Record<string, AccessCause>> = {
  '08': 'connection_lost',
  22: 'bad_value',
  25006: 'writes',
  28: 'login_refused',
  '28P01': 'wrong_password',
  '3D': 'database_missing',
  '3F000': 'missing',
  42501: 'denied',
  '42P01': 'missing',
  42703: 'missing',
  42704: 'missing',
  42883: 'missing',
  53: 'not_now',
  53300: 'too_many_connections',
  [CANCELED]: 'statement_timeout',
  '57P01': 'connection_lost',
  '57P02': 'connection_lost',
  '57P03': 'not_now',
  '57P04': 'database_missing',
  '57P05': 'connection_lost',
  58: 'not_now',
  P0: 'policy_raised'
}

/** Whether a text is one. */
export function isSqlstate (code: unknown): code is string {
  return typeof code === 'string' && SQLSTATE.test(code)
}

/** Whether an error says that the next statement, of any user, may fail as well. */
export function isTrouble (sqlstate: string): boolean {
  return sqlstate !== CANCELED && TROUBLE.test(sqlstate)
}

/** What an SQLSTATE says. */
export function causeOfSqlstate (sqlstate: string): AccessCause {
  return CAUSES[sqlstate] ?? CAUSES[sqlstate.slice(0, 2)] ?? 'query_failed'
}
