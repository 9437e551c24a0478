import type { Revocation } from '../control/control.js'
import { isTime } from '../tokens/claim-times.js'
import type { IssuerConfig } from '../tokens/issuer-config.js'
import type { SecurityEvents } from '../tokens/security-event.js'
import { isObject } from '../tokens/token-format.js'
import { upToSecond, type Said } from './said.js'
import { readSubject } from './subject.js'

const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
/** Those that end all of a user's sessions. */
const OF_USERS: ReadonlySet<string> = new Set([
  'https://schemas.openid.net/secevent/caep/event-type/credential-change',
  'https://schemas.openid.net/secevent/risc/event-type/account-disabled'
])

/** In s it would be the year 5138, in ms it is 1973: drafts of CAEP, and examples of the final text, count in ms. */
const LEAST_IN_MS = 1e11

/** A time that a transmitter tells, in s since the epoch; null: it is none. */
function readTimeS (value: unknown): number | null {
  if (!isTime(value)) return null
  return value < LEAST_IN_MS ? value : value / 1000
}

/** What one event orders, or why it orders nothing. */
function readEvent (type: string, event: unknown, said: SecurityEvents, { issuer, name }: IssuerConfig): Revocation | string {
  if (type !== SESSION_REVOKED && !OF_USERS.has(type)) return 'event_unknown'
  if (!isObject(event)) return 'event_malformed'
  const subject = readSubject(said.subject ?? event['subject'], issuer)
  if (typeof subject === 'string') return subject
  const { session, user } = subject
  if (type === SESSION_REVOKED && session !== null) return { kind: 'sid', id: session, issuer: name, issuedBeforeMs: null }
  if (user === null) return 'subject_unknown'
  const happenedAtS = readTimeS(event['event_timestamp']) ?? readTimeS(said.happenedAt) ?? said.issuedAtS
  // Nothing has happened after it was told of: a time to come would end what has not begun.
  return { kind: 'sub', id: user, issuer: name, issuedBeforeMs: upToSecond(Math.min(happenedAtS, said.issuedAtS)) }
}

/** What a security event token orders (CAEP 1.0 section 3, RISC 1.0 section 2); what it says beside that is told aside. */
export function ordersOfEvents (said: SecurityEvents, issuer: IssuerConfig): Said {
  const read = Object.entries(said.events).map(([type, event]) => [type, readEvent(type, event, said, issuer)] as const)
  const orders = read.flatMap(([, order]) => typeof order === 'string' ? [] : [order])
  const asides = read.flatMap(([type, order]) => typeof order === 'string' ? [`${order} ${JSON.stringify(type)}`] : [])
  return { id: said.id, orders, aside: asides.length === 0 ? null : asides.join(', ') }
}
