import { REFUSALS } from '../refusals.js'
import type { Line } from './events.js'
import type { ConnectionFacts, RefusedFacts } from './facts.js'
import { boundText, redactPath, redactToken } from './log/log-text.js'

const MAX_TOPICS = 10
/** A user id is `<issuer>:<sub>`, and a `sub` may have 256 characters. */
const MAX_USER_ID = 512

// Each line is one object literal: spreading shared fields costs more than writing the line does. A field that is
// undefined is left out by the log.

/** The line of an attempt that was refused. */
export function refusedLine (connection: ConnectionFacts, refused: RefusedFacts): Line<'connection.refused'> {
  const kind = REFUSALS[refused.reason]
  return {
    event: 'connection.refused',
    connection_id: connection.connectionId ?? undefined,
    user_id: userIdField(connection),
    ip: connection.address.ip,
    issuer: connection.issuer ?? undefined,
    path: redactPath(connection.path),
    insecure: onlyTrue(connection.insecure),
    reason: refused.reason,
    detail: refused.detail === undefined ? undefined : boundText(refused.detail),
    status: refused.byClose === true ? undefined : kind.status ?? undefined,
    code: refused.byClose === true ? kind.closeCode ?? undefined : undefined,
    dry_run: onlyTrue(refused.dryRun),
    duration_ms: toTenths(refused.durationMs)
  }
}

/** The line of a connection that sent more messages than its address may. */
export function messageLimitedLine (connection: ConnectionFacts, dryRun: boolean): Line<'message.limited'> {
  return {
    event: 'message.limited',
    connection_id: connection.connectionId ?? undefined,
    user_id: userIdField(connection),
    ip: connection.address.ip,
    issuer: connection.issuer ?? undefined,
    path: redactPath(connection.path),
    insecure: onlyTrue(connection.insecure),
    reason: 'too_many_requests',
    dry_run: onlyTrue(dryRun)
  }
}

/** The line of a connection that asked for, or lost, what its user may not see. */
export function accessDeniedLine (connection: ConnectionFacts, topics: readonly string[], detail: string | undefined): Line<'access.denied'> {
  return {
    event: 'access.denied',
    connection_id: connection.connectionId ?? undefined,
    user_id: userIdField(connection),
    ip: connection.address.ip,
    issuer: connection.issuer ?? undefined,
    path: redactPath(connection.path),
    insecure: onlyTrue(connection.insecure),
    reason: 'forbidden',
    detail,
    topics: topics.slice(0, MAX_TOPICS).map((topic) => boundText(redactToken(topic)))
  }
}

function userIdField (connection: ConnectionFacts): string | undefined {
  return connection.userId === null ? undefined : boundUserId(connection.userId)
}

/** A user id as a line shows it. */
export function boundUserId (userId: string): string {
  return boundText(userId, MAX_USER_ID)
}

function onlyTrue (flag: boolean | undefined): true | undefined {
  return flag === true ? true : undefined
}

/** Milliseconds with one decimal: what is finer is noise. */
export function toTenths (durationMs: number): number {
  return Math.round(durationMs * 10) / 10
}
