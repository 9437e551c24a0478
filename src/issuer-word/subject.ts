import { isId } from '../tokens/statement-claims.js'
import { isObject } from '../tokens/token-format.js'

/** Whom an event is about, as far as it can be one of ours; or why it is about nobody of ours. */
export type Subject =
  { readonly session: string | null, readonly user: string | null } |
  'subject_unknown' | 'subject_of_other_issuer'

/** In place of a session's id: all of the user's. */
const ALL_SESSIONS = 'ALL'
const USER_FORMATS: ReadonlySet<unknown> = new Set(['iss_sub', 'id_token_claims'])

/** The name of a subject's format (RFC 9493 section 3); drafts say `subject_type`, and some transmitters write it with a hyphen. */
function formatOf ({ format, subject_type: type }: Record<string, unknown>): unknown {
  const name = format ?? type
  return typeof name === 'string' ? name.replaceAll('-', '_') : undefined
}

function readUser (value: unknown, issuer: string): string | 'other' | null {
  if (!isObject(value)) return null
  const format = formatOf(value)
  if (format === 'aliases' && Array.isArray(value['identifiers'])) return readAliases(value['identifiers'], issuer)
  if (!USER_FORMATS.has(format) || !isId(value['sub'])) return null
  return value['iss'] === issuer ? `=${value['sub']}` : 'other'
}

/** One user by several names: the first that is one of this issuer's counts. */
function readAliases (identifiers: readonly unknown[], issuer: string): string | 'other' | null {
  const read = identifiers.map(each => isObject(each) && formatOf(each) !== 'aliases' ? readUser(each, issuer) : null)
  return read.find(each => each?.startsWith('=') === true) ?? read.find(each => each === 'other') ?? null
}

function readSession (value: unknown): string | null {
  return isObject(value) && formatOf(value) === 'opaque' && isId(value['id']) ? value['id'] : null
}

/**
 * Reads the subject of an event (RFC 9493; OpenID Shared Signals Framework 1.0 section 3): a user, a session, or both in a complex
 * subject. What else a complex subject has, such as a device, narrows nothing here: no token tells it. `issuer`: the `iss` of the token.
 */
export function readSubject (value: unknown, issuer: string): Subject {
  if (!isObject(value)) return 'subject_unknown'
  const isComplex = 'user' in value || 'session' in value
  const user = readUser(isComplex ? value['user'] : value, issuer)
  if (user === 'other') return 'subject_of_other_issuer'
  const sub = user === null ? null : user.slice(1)
  const named = isComplex ? value['session'] : sub === null ? value : undefined
  if (named === undefined) return sub === null ? 'subject_unknown' : { session: null, user: sub }
  const session = readSession(named)
  // A session that cannot be read must not become all of the user's.
  if (session === null) return 'subject_unknown'
  if (session !== ALL_SESSIONS) return { session, user: sub }
  return sub === null ? 'subject_unknown' : { session: null, user: sub }
}
