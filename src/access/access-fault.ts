import { AccessError, UnsafeDatabaseError } from './access-error.js'
import type { AccessCause } from './causes.js'

/** Why there was no answer: a word of ours, and the code at hand. Neither repeats a value, a claim or an address. */
export interface AccessFault {
  readonly reason: AccessCause
  readonly code: string | null
}

/** Says why a question to an authorizer was not answered. `error`: whatever it threw, also a program's own authorizer. */
export function describeAccessFault (error: unknown): AccessFault {
  if (error instanceof AccessError) return { reason: error.reason, code: error.code }
  if (error instanceof UnsafeDatabaseError) return { reason: 'unsafe', code: null }
  return { reason: 'unknown', code: null }
}

/** The fault in a line: `wrong_password 28P01`. */
export function formatAccessFault ({ reason, code }: AccessFault): string {
  return code === null ? reason : `${reason} ${code}`
}
