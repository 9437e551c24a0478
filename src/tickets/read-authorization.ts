import { refuse, type Refusal } from '../refusals.js'

/** How an access token is presented: by itself, or with a proof that its holder has the key that it is bound to (RFC 9449 section 7.1). */
export interface PresentedToken {
  readonly scheme: 'bearer' | 'dpop'
  readonly token: string
}

const MISSING = refuse('missing_token')
const MALFORMED = refuse('bad_request', { message: 'Authorization: Bearer or DPoP, and one token' })

/** Reads `Authorization`, whose lines have been joined by commas; schemes that are not ours are as good as none. */
export function readAuthorization (header: string | undefined): PresentedToken | Refusal {
  const scheme = /^\s*(bearer|dpop)(?=\s|,|$)/i.exec(header ?? '')?.[1]?.toLowerCase()
  if (scheme === undefined) return MISSING
  const token = /^\s*\S+ +([^\s,]+)\s*$/.exec(header ?? '')?.[1]
  if (token === undefined) return MALFORMED
  return { scheme: scheme === 'dpop' ? 'dpop' : 'bearer', token }
}
