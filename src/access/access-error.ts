import type { AccessCause } from './causes.js'

export interface AccessErrorDetails {
  /** The code at hand: an SQLSTATE, an HTTP status, the system's own word. */
  readonly code?: string | null
  /** The back end is alive and refused only this check; it says nothing about the next one. */
  readonly answered?: boolean
}

/**
 * A check that could not be decided. The message is from our own vocabulary: a back end's own words may quote claims,
 * ids or addresses, and are never carried along.
 */
export class AccessError extends Error {
  override readonly name = 'AccessError'

  readonly code: string | null
  readonly answered: boolean

  constructor (readonly reason: AccessCause, message: string, { code = null, answered = false }: AccessErrorDetails = {}) {
    super(message)
    this.code = code
    this.answered = answered
  }
}

/** The connection ended before the answer: the server may well be there for another one. */
export class ConnectionLostError extends AccessError {}

/** The database would not protect one user's rows from another: nothing may be asked of it. `reasons` names all faults. */
export class UnsafeDatabaseError extends Error {
  override readonly name = 'UnsafeDatabaseError'

  constructor (readonly reasons: readonly string[]) {
    super(`the database does not protect the rows: ${reasons.join('; ')}`)
  }
}
