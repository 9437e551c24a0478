import { quote } from '../wire/quote.js'
import type { ClosedFacts, ConnectionFacts } from './facts.js'
import { boundText, redactPath } from './log/log-text.js'
import { boundUserId, toTenths } from './lines.js'

// Every connection writes these two lines, so they are text from the beginning: an object and its `JSON.stringify` cost three
// times as much. Both are the members of a line, from `"event"` to the closing brace; a test holds them to what `JSON.stringify` writes.

/** The line of a connection that was let in. */
export function formatAccepted (connection: ConnectionFacts, durationMs: number): string {
  return `"event":"connection.accepted"${formatConnection(connection)},"duration_ms":${formatNumber(toTenths(durationMs))}}`
}

/** The line of an accepted connection's end. */
export function formatClosed (connection: ConnectionFacts, closed: ClosedFacts): string {
  const { reason, code, durationMs, messagesIn, messagesOut, lostNode } = closed
  return `"event":"connection.closed"${formatConnection(connection)},"reason":${quote(boundText(reason))}` +
    (code === null ? '' : `,"code":${formatNumber(code)}`) +
    (durationMs === null ? '' : `,"duration_ms":${formatNumber(toTenths(durationMs))}`) +
    (messagesIn === null ? '' : `,"messages_in":${formatNumber(messagesIn)}`) +
    (messagesOut === null ? '' : `,"messages_out":${formatNumber(messagesOut)}`) +
    (lostNode === undefined ? '}' : `,"lost_node":${quote(boundText(lostNode))}}`)
}

function formatConnection ({ connectionId, userId, address: { ip }, issuer, path, insecure }: ConnectionFacts): string {
  return (connectionId === null ? '' : `,"connection_id":${quote(connectionId)}`) +
    (userId === null ? '' : `,"user_id":${quote(boundUserId(userId))}`) +
    `,"ip":${quote(ip)}` +
    (issuer === null ? '' : `,"issuer":${quote(issuer)}`) +
    `,"path":${quote(redactPath(path))}` +
    (insecure ? ',"insecure":true' : '')
}

/** A number as JSON writes it: what is not finite is null. */
function formatNumber (value: number): string {
  return Number.isFinite(value) ? `${value}` : 'null'
}
