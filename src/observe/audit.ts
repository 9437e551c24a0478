import { formatAccepted, formatClosed } from './connection-lines.js'
import { createEventSamplers } from './event-samplers.js'
import type { ClosedFacts, ConnectionFacts, PresentedFacts, RefusedFacts, ServerFacts } from './facts.js'
import { accessDeniedLine, messageLimitedLine, refusedLine, toTenths } from './lines.js'
import { boundText } from './log/log-text.js'
import { createLineWriter, type LineWriterOptions } from './log/log.js'

/**
 * Writes down what happened, one JSON line each. No function throws or blocks. Refused, limited and denied lines of one
 * address are sampled while it attacks; nothing else ever is.
 */
export interface Audit {
  accepted (connection: ConnectionFacts, durationMs: number, presented?: PresentedFacts): void
  refused (connection: ConnectionFacts, refused: RefusedFacts, presented?: PresentedFacts): void
  closed (connection: ConnectionFacts, closed: ClosedFacts): void
  /** `dryRun`: decided, but let through. */
  messageLimited (connection: ConnectionFacts, dryRun: boolean): void
  /** `topics`: what was asked for or withdrawn; the first ten are written. */
  accessDenied (connection: ConnectionFacts, topics: readonly string[], detail: string | undefined): void
  /** Its limits were broken too often; written by the process that bans it. */
  addressBanned (addressKey: string, forMs: number): void
  /** Written once per outage: further calls until `limitsRestored` do nothing. */
  /** `detail`: the code of what the last attempt to connect failed with; null: there is none. */
  limitsDegraded (policy: 'local' | 'open' | 'closed', reason: string, detail: string | null): void
  /** Does nothing unless the limits were degraded. */
  limitsRestored (): void
  jwksRefreshed (issuer: string, keys: number): void
  /** `reason` must hold no token and no query; it is bounded here. */
  jwksFailed (issuer: string, failure: { readonly fault: string, readonly detail: string | null, readonly address: string }): void
  /** Written once per address, and for the first hundred addresses only. */
  untrustedForwardedFor (ip: string): void
  /** A client presented a key that opens every row. Written once per address, and for the first hundred addresses only. */
  serviceKey (ip: string, detail: string): void
  /** Other processes declared this one lost and wrote closed lines for `connections` of its connections. */
  nodeReturned (connections: number): void
  serverStarted (server: ServerFacts): void
  serverDraining (connections: number, forMs: number): void
  serverStopped (reason: string, uptimeMs: number): void
  /** Writes the counts held back and stops the timer. */
  close (): void
}

export interface AuditOptions extends LineWriterOptions {
  /** ms since any fixed moment. Default `performance.now`. */
  readonly now?: () => number
  /** How long one sampling interval lasts, in ms. Default 10 s. */
  readonly sampleIntervalMs?: number
}

const SAMPLE_INTERVAL_MS = 10_000
const MAX_WARNED_ADDRESSES = 100

/** Makes the audit: lines of the process's log, written where the log writes. */
export function createAudit (options: AuditOptions): Audit {
  const { now = () => performance.now(), sampleIntervalMs = SAMPLE_INTERVAL_MS } = options
  const { write, writeMembers } = createLineWriter(options)
  const samplers = createEventSamplers(write)
  const timer = setInterval(samplers.sweep, sampleIntervalMs).unref()
  const untrusted = new Set<string>()
  const leaking = new Set<string>()
  let degradedAtMs: number | null = null

  return {
    accepted (connection, durationMs, presented) { writeMembers('connection.accepted', formatAccepted(connection, durationMs, presented)) },
    refused (connection, facts, presented) {
      if (samplers.refused.admit(connection.address.key, facts.reason)) write(refusedLine(connection, facts, presented))
    },
    closed (connection, closed) { writeMembers('connection.closed', formatClosed(connection, closed)) },
    messageLimited (connection, dryRun) {
      if (samplers.limited.admit(connection.address.key, 'too_many_requests')) write(messageLimitedLine(connection, dryRun))
    },
    accessDenied (connection, topics, detail) {
      if (samplers.denied.admit(connection.address.key, 'forbidden')) write(accessDeniedLine(connection, topics, detail))
    },
    addressBanned (addressKey, forMs) {
      write({ event: 'address.banned', ip: addressKey, duration_ms: forMs })
    },
    limitsDegraded (policy, reason, detail) {
      if (degradedAtMs !== null) return
      degradedAtMs = now()
      write({ event: 'limits.degraded', policy, reason: boundText(reason), detail: detail === null ? undefined : boundText(detail) })
    },
    limitsRestored () {
      if (degradedAtMs === null) return
      write({ event: 'limits.restored', duration_ms: toTenths(now() - degradedAtMs) })
      degradedAtMs = null
    },
    jwksRefreshed (issuer, keys) {
      write({ event: 'jwks.refreshed', issuer, keys })
    },
    jwksFailed (issuer, { fault, detail, address }) {
      write({ event: 'jwks.failed', issuer, reason: boundText(fault), detail: detail === null ? undefined : boundText(detail), url: boundText(address) })
    },
    untrustedForwardedFor (ip) {
      if (isFirst(untrusted, ip)) write({ event: 'forwarded_for.untrusted', ip })
    },
    serviceKey (ip, detail) {
      if (isFirst(leaking, ip)) write({ event: 'token.service_key', ip, detail })
    },
    nodeReturned (connections) { write({ event: 'node.returned', connections }) },
    serverStarted (server) {
      write({
        event: 'server.started',
        host: server.host,
        port: server.port,
        admin_port: server.adminPort ?? undefined,
        binding: server.binding,
        insecure: server.insecure || undefined
      })
    },
    serverDraining (connections, forMs) {
      write({ event: 'server.draining', connections, duration_ms: toTenths(forMs) })
    },
    serverStopped (reason, uptimeMs) {
      write({ event: 'server.stopped', reason: boundText(reason), duration_ms: toTenths(uptimeMs) })
    },
    close () {
      clearInterval(timer)
      samplers.sweep()
    }
  }
}

/** Whether an address is new among those that were warned of, of which there are a hundred at most. */
function isFirst (warned: Set<string>, ip: string): boolean {
  if (warned.size >= MAX_WARNED_ADDRESSES || warned.has(ip)) return false
  warned.add(ip)
  return true
}
