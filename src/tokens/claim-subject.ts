import type { ClaimRules } from './claim-rules.js'
import type { FoundFault } from './token-fault.js'

const MAX_SUBJECT_CHARACTERS = 256
/** The break-glass user: nobody may be called so by an issuer. */
export const ANONYMOUS = 'anonymous'
// A subject becomes part of keys, topics and log lines. U+FFFD stands where the token's bytes were no UTF-8.
const UNFIT_FOR_SUBJECT = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\ufffd]/u

/** Whether the token names a user; `sub`, by which revocations go, must be as fit where another claim names the user. */
export function findSubjectFault (claims: Readonly<Record<string, unknown>>, { reading }: ClaimRules): FoundFault | null {
  if (!isSubject(claims[reading.user])) return { fault: 'subject', shown: reading.user }
  return claims['sub'] === undefined || isSubject(claims['sub']) ? null : { fault: 'subject', shown: 'sub' }
}

function isSubject (subject: unknown): boolean {
  if (typeof subject !== 'string' || subject === '' || subject === ANONYMOUS) return false
  if (subject.length > MAX_SUBJECT_CHARACTERS * 2 || UNFIT_FOR_SUBJECT.test(subject)) return false
  return subject.length <= MAX_SUBJECT_CHARACTERS || Array.from(subject).length <= MAX_SUBJECT_CHARACTERS
}
