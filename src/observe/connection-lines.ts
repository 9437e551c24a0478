import { quote } from '../wire/quote.js'
import { NOTHING_PRESENTED, type ClosedFacts, type ConnectionFacts, type PresentedFacts } from './facts.js'
import { boundText, redactPath } from './log/log-text.js'
import { boundShown, boundUserId, toTenths } from './lines.js'

// Every connection writes these two lines, so they are text from the beginning: an object and its `JSON.stringify` cost three
// times as much. Both are the members of a line, from `"event"` to the closing brace; a test holds them to what `JSON.stringify` writes.

/** The line of a connection that was let in. */
export function formatAccepted (connection: ConnectionFacts, durationMs: number, presented: PresentedFacts = NOTHING_PRESENTED): string {
  const { origin, client, actor } = presented
  return `"event":"connection.accepted"${formatConnection(connection)},"duration_ms":${formatNumber(toTenths(durationMs))}` +
    `${formatShown('origin', origin)}${formatShown('client', client)}${formatShown('actor', actor)}}`
}

function formatShown (field: 'origin' | 'client' | 'actor', text: string | null): string {
  return text === null ? '' : `,"${field}":${quote(boundShown(text))}`
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
    formatPlace(issuer, path) +
    (insecure ? ',"insecure":true' : '')
}

/** Nearly all connections of a process have one issuer and one path: what was written last is kept. */
let place: { readonly issuer: string | null, readonly path: string, readonly text: string } = { issuer: null, path: '', text: ',"path":""' }

function formatPlace (issuer: string | null, path: string): string {
  if (issuer !== place.issuer || path !== place.path) {
    const text = (issuer === null ? '' : `,"issuer":${quote(issuer)}`) + `,"path":${quote(redactPath(path))}`
    place = { issuer, path, text }
  }
  return place.text
}

/** A number as JSON writes it: what is not finite is null. */
function formatNumber (value: number): string {
  return Number.isFinite(value) ? `${value}` : 'null'
}
