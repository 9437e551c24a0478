import type { RefusalName } from '../refusals.js'

export type Level = 'info' | 'warn' | 'error'

/** Every audit event and its level. What a client did wrongly is a warning, what failed on our side an error. */
export const EVENT_LEVELS = {
  'connection.accepted': 'info',
  'connection.refused': 'warn',
  'connection.closed': 'info',
  'message.limited': 'warn',
  'access.denied': 'warn',
  'address.banned': 'warn',
  'limits.degraded': 'error',
  'limits.restored': 'info',
  'jwks.refreshed': 'info',
  'jwks.failed': 'error',
  'forwarded_for.untrusted': 'warn',
  'node.returned': 'warn',
  'server.started': 'info',
  'server.draining': 'info',
  'server.stopped': 'info'
} as const satisfies Record<string, Level>

export type EventName = keyof typeof EVENT_LEVELS

/** What a line says of the connection it is about. A field that is undefined is not written. */
interface ConnectionFields {
  readonly connection_id: string | undefined
  readonly user_id: string | undefined
  readonly ip: string
  readonly issuer: string | undefined
  readonly path: string
  /** Present, and true, only on the lines of break-glass connections. */
  readonly insecure: true | undefined
}

/** True when the limits run dry: decided and written down, but let through. */
interface DryRunFields {
  readonly dry_run: true | undefined
}

/**
 * The line that ends a sampled interval: the last event held back of this address, and how many more there were. So the
 * lines of an event plus the sum of their `suppressed` are the events that happened. `ip` is a /64 for IPv6.
 */
type SummaryFields = { readonly ip: string, readonly reason: RefusalName, readonly suppressed: number }

interface EventFields {
  'connection.accepted': ConnectionFields & { readonly duration_ms: number }
  'connection.refused': SummaryFields | (ConnectionFields & DryRunFields & {
    readonly reason: RefusalName
    readonly detail: string | undefined
    readonly status: number | undefined
    readonly code: number | undefined
    readonly duration_ms: number
  })
  'connection.closed': ConnectionFields & {
    readonly reason: string
    readonly code: number | undefined
    readonly duration_ms: number | undefined
    readonly messages_in: number | undefined
    readonly messages_out: number | undefined
    readonly lost_node: string | undefined
  }
  'message.limited': SummaryFields | (ConnectionFields & DryRunFields & { readonly reason: RefusalName })
  'access.denied': SummaryFields | (ConnectionFields & { readonly reason: RefusalName, readonly topics: readonly string[] })
  /** `ip` as the limits count it: a /64 for IPv6. `duration_ms`: how long the ban lasts. */
  'address.banned': { readonly ip: string, readonly duration_ms: number }
  'limits.degraded': { readonly reason: string, readonly policy: string }
  'limits.restored': { readonly duration_ms: number }
  'jwks.refreshed': { readonly issuer: string, readonly keys: number }
  'jwks.failed': { readonly issuer: string, readonly reason: string }
  'forwarded_for.untrusted': { readonly ip: string }
  'node.returned': { readonly connections: number }
  'server.started': {
    readonly host: string
    readonly port: number
    readonly admin_port: number | undefined
    readonly binding: string
    readonly insecure: true | undefined
  }
  'server.draining': { readonly connections: number, readonly duration_ms: number }
  'server.stopped': { readonly reason: string, readonly duration_ms: number }
}

/** One line of one event, as it is given to the log. */
export type Line<E extends EventName> = { readonly event: E } & EventFields[E]
