import { parseAddress, type ClientAddress } from '../address/client-address.js'
import { parseJsonObject } from '../tokens/token-format.js'

/** What one line of the log tells of the limits. `times`: for how many events it stands. */
export type AuditLine = { readonly atMs: number, readonly address: ClientAddress } & (
  { readonly kind: 'accepted', readonly connectionId: string, readonly userId: string, readonly insecure: boolean } |
  {
    readonly kind: 'refused'
    readonly reason: string
    readonly detail: string
    readonly userId: string | null
    readonly insecure: boolean
    readonly isDryRun: boolean
    readonly times: number
  } |
  { readonly kind: 'closed', readonly connectionId: string, readonly durationMs: number | null, readonly messagesIn: number | null } |
  { readonly kind: 'message_limited', readonly times: number }
)

const KINDS_OF_LINES: ReadonlyMap<unknown, AuditLine['kind']> = new Map([
  ['connection.accepted', 'accepted'], ['connection.refused', 'refused'], ['connection.closed', 'closed'], ['message.limited', 'message_limited']
])
const NETWORK = /\/64$/

const textOf = (value: unknown): string | null => typeof value === 'string' ? value : null
const countOf = (value: unknown): number | null => typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null

/** Reads a line. Null: it is about something else; `'unreadable'`: it is no line of this log, or a field of it is missing. */
export function readAuditLine (text: string): AuditLine | null | 'unreadable' {
  const line = parseJsonObject(text)
  if (line === null || typeof line['event'] !== 'string') return 'unreadable'
  const kind = KINDS_OF_LINES.get(line['event'])
  if (kind === undefined) return null
  const atMs = Date.parse(textOf(line['time']) ?? '')
  const address = parseAddress((textOf(line['ip']) ?? '').replace(NETWORK, ''))
  const connectionId = textOf(line['connection_id'])
  if (Number.isNaN(atMs) || address === null) return 'unreadable'
  const base = { atMs, address }
  const insecure = line['insecure'] === true
  const userId = textOf(line['user_id'])
  // The summary of a flood is the last of the events that it stands for.
  const times = 1 + (countOf(line['suppressed']) ?? 0)
  switch (kind) {
    case 'accepted': return connectionId === null || userId === null ? 'unreadable' : { ...base, kind, connectionId, userId, insecure }
    case 'closed': return connectionId === null
      ? 'unreadable'
      : { ...base, kind, connectionId, durationMs: countOf(line['duration_ms']), messagesIn: countOf(line['messages_in']) }
    case 'refused': return {
      ...base, kind, reason: textOf(line['reason']) ?? '', detail: textOf(line['detail']) ?? '', userId, insecure, isDryRun: line['dry_run'] === true, times
    }
    case 'message_limited': return { ...base, kind, times }
  }
}
