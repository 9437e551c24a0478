import { steadyNow } from '../clocks.js'
import { smallest } from '../collections/smallest.js'
import type { Part, Question, RollCallAnswer } from '../control/roll-call.js'
import type { Registry } from '../connection/registry.js'
import type { Session } from '../connection/session.js'
import type { ConnectionPage, ListedConnection } from './operations.js'

function describeConnection (session: Session, node: string): ListedConnection {
  return {
    connection_id: session.connectionId,
    user_id: session.identity.userId,
    issuer: session.identity.issuer,
    node,
    ip: session.address.ip,
    path: session.path,
    opened_at: new Date(Date.now() - (steadyNow() - session.openedAtMs)).toISOString(),
    expires_at: new Date(session.identity.expiresAtMs).toISOString(),
    topics: session.topics.size,
    messages_in: session.messagesIn,
    messages_out: session.messagesOut
  }
}

function * matching (registry: Registry, { subject, after }: Question): Iterable<Session> {
  for (const session of registry.all()) {
    const isAsked = subject === null || session.identity.userId === subject
    if (isAsked && (after === null || session.connectionId > after)) yield session
  }
}

/** This process's part of a page: its first connections in the order of their ids. */
export function listLocalConnections (registry: Registry, node: string, question: Question): Part<ListedConnection> {
  const found = smallest(matching(registry, question), question.limit + 1, ({ connectionId }) => connectionId)
  return {
    entries: found.slice(0, question.limit).map(session => describeConnection(session, node)),
    more: found.length > question.limit
  }
}

/**
 * Makes one page of all processes' parts. It ends where the first part ends that has more, as what follows there is not
 * known; the next page goes on from its last id.
 */
export function joinParts ({ parts, missing }: RollCallAnswer<ListedConnection>, { after, limit }: Question): ConnectionPage {
  const cutAt = parts.flatMap(({ entries, more }) => more ? entries.slice(-1).map(({ connection_id: id }) => id) : [])
  const lastKnown = cutAt.toSorted()[0] ?? null
  // A process of an older version knows no order and gives all that it has.
  const known = parts.flatMap(({ entries }) => entries)
    .filter(({ connection_id: id }) => (after === null || id > after) && (lastKnown === null || id <= lastKnown))
  const connections = smallest(known, limit, ({ connection_id: id }) => id)
  const goesOn = known.length > connections.length || lastKnown !== null
  return { connections, next: goesOn ? connections.at(-1)?.connection_id ?? null : null, missingNodes: missing }
}
