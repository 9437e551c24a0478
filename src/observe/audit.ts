import { EVENT_LEVELS, type EventName, type Line } from './events.js'
import type { ClosedFacts, ConnectionFacts, RefusedFacts, ServerFacts } from './facts.js'
import { acceptedLine, accessDeniedLine, closedLine, messageLimitedLine, refusedLine, toTenths } from './lines.js'
import { boundText } from './log/log-text.js'
import { createLineWriter, type LineWriterOptions } from './log/log.js'
import { createRefusalSampler, type RefusalSampler } from './refusal-sampler.js'

/**
 * Writes down what happened, one JSON line each. No function throws or blocks. Refused, limited and denied lines of one
 * address are sampled while it attacks; nothing else ever is.
 */
export interface Audit {
  accepted (connection: ConnectionFacts, durationMs: number): void
  refused (connection: ConnectionFacts, refused: RefusedFacts): void
  closed (connection: ConnectionFacts, closed: ClosedFacts): void
  /** `dryRun`: decided, but let through. */
  messageLimited (connection: ConnectionFacts, dryRun: boolean): void
  /** `topics`: what was asked for or withdrawn; the first ten are written. */
  accessDenied (connection: ConnectionFacts, topics: readonly string[]): void
  /** Its limits were broken too often; written by the process that bans it. */
  addressBanned (addressKey: string, forMs: number): void
  /** Written once per outage, whoever tells of it: further calls until `limitsRestored` do nothing. */
  limitsDegraded (policy: 'local' | 'open' | 'closed', reason: string): void
  /** Does nothing unless the limits were degraded. */
  limitsRestored (): void
  jwksRefreshed (issuer: string, keys: number): void
  /** `reason` must hold no token and no query; it is bounded here. */
  jwksFailed (issuer: string, reason: string): void
  /** Written once per address, and for the first hundred addresses only. */
  untrustedForwardedFor (ip: string): void
  /** Others had taken this process for lost, and have written the closed lines of so many of its connections. */
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

type SampledEvent = 'connection.refused' | 'message.limited' | 'access.denied'

const SAMPLE_INTERVAL_MS = 10_000
const WRITTEN_PER_INTERVAL = 50
const MAX_SAMPLED_ADDRESSES = 10_000
const MAX_WARNED_ADDRESSES = 100

/** Makes the audit: lines of the process's log, written where the log writes. */
export function createAudit (options: AuditOptions): Audit {
  const { now = () => performance.now(), sampleIntervalMs = SAMPLE_INTERVAL_MS } = options
  const writeLine = createLineWriter(options)
  const refused = createEventSampler('connection.refused')
  const limited = createEventSampler('message.limited')
  const denied = createEventSampler('access.denied')
  const timer = setInterval(sweep, sampleIntervalMs).unref()
  const warnedAddresses = new Set<string>()
  let degradedAtMs: number | null = null

  function write<E extends EventName> (event: E, line: Line<E>): void {
    writeLine(EVENT_LEVELS[event], line)
  }

  function createEventSampler (event: SampledEvent): RefusalSampler {
    return createRefusalSampler({
      writtenPerInterval: WRITTEN_PER_INTERVAL,
      maxAddresses: MAX_SAMPLED_ADDRESSES,
      // This line is itself the last of those held back, so it stands for one more than it counts.
      onSuppressed (ip, reason, count) { write(event, { event, ip, reason, suppressed: count - 1 }) }
    })
  }

  function sweep (): void {
    refused.sweep()
    limited.sweep()
    denied.sweep()
  }

  return {
    accepted (connection, durationMs) { write('connection.accepted', acceptedLine(connection, durationMs)) },
    refused (connection, facts) {
      if (refused.admit(connection.address.key, facts.reason)) write('connection.refused', refusedLine(connection, facts))
    },
    closed (connection, closed) { write('connection.closed', closedLine(connection, closed)) },
    messageLimited (connection, dryRun) {
      if (limited.admit(connection.address.key, 'too_many_requests')) write('message.limited', messageLimitedLine(connection, dryRun))
    },
    accessDenied (connection, topics) {
      if (denied.admit(connection.address.key, 'forbidden')) write('access.denied', accessDeniedLine(connection, topics))
    },
    addressBanned (addressKey, forMs) {
      write('address.banned', { event: 'address.banned', ip: addressKey, duration_ms: forMs })
    },
    limitsDegraded (policy, reason) {
      if (degradedAtMs !== null) return
      degradedAtMs = now()
      write('limits.degraded', { event: 'limits.degraded', policy, reason: boundText(reason) })
    },
    limitsRestored () {
      if (degradedAtMs === null) return
      write('limits.restored', { event: 'limits.restored', duration_ms: toTenths(now() - degradedAtMs) })
      degradedAtMs = null
    },
    jwksRefreshed (issuer, keys) {
      write('jwks.refreshed', { event: 'jwks.refreshed', issuer, keys })
    },
    jwksFailed (issuer, reason) {
      write('jwks.failed', { event: 'jwks.failed', issuer, reason: boundText(reason) })
    },
    untrustedForwardedFor (ip) {
      if (warnedAddresses.size >= MAX_WARNED_ADDRESSES || warnedAddresses.has(ip)) return
      warnedAddresses.add(ip)
      write('forwarded_for.untrusted', { event: 'forwarded_for.untrusted', ip })
    },
    nodeReturned (connections) { write('node.returned', { event: 'node.returned', connections }) },
    serverStarted (server) {
      write('server.started', {
        event: 'server.started',
        host: server.host,
        port: server.port,
        admin_port: server.adminPort ?? undefined,
        binding: server.binding,
        insecure: server.insecure || undefined
      })
    },
    serverDraining (connections, forMs) {
      write('server.draining', { event: 'server.draining', connections, duration_ms: toTenths(forMs) })
    },
    serverStopped (reason, uptimeMs) {
      write('server.stopped', { event: 'server.stopped', reason: boundText(reason), duration_ms: toTenths(uptimeMs) })
    },
    close () {
      clearInterval(timer)
      sweep()
    }
  }
}
