import { parseAddress, type ClientAddress } from '../../src/address/client-address.js'
import type { UpgradeSettings } from '../../src/config/config.js'
import { readNetworks } from '../../src/config/networks.js'
import type { DeadlineWheel } from '../../src/connection/deadline-wheel.js'
import type { Report } from '../../src/connection/report.js'
import { SYSTEM_CLOCKS, steadyNow } from '../../src/clocks.js'
import { createRegistry } from '../../src/connection/registry.js'
import { Session } from '../../src/connection/session.js'
import type { SessionContext } from '../../src/connection/session-context.js'
import type { Subscriptions } from '../../src/connection/subscriptions.js'
import { NO_TOKEN_WATCH } from '../../src/connection/token-watch.js'
import type { PendingUpgrade, Socket, SocketHandlers, UpgradeHead, UpgradeHeaders } from '../../src/connection/transport.js'
import type { Lease, Limiter } from '../../src/limits/limiter.js'
import type { Identity } from '../../src/tokens/identity.js'
import { identityOf } from '../access/identity-of.js'

/** Upgrade settings as they are by default; `proxies` are trusted. */
export function upgradeSettings (more: Partial<UpgradeSettings> = {}, proxies: readonly string[] = []): UpgradeSettings {
  return {
    deadlineMs: 5000,
    maxPending: 1000,
    maxFilterIds: 50,
    carriers: new Set(['query', 'header', 'protocol']),
    anyOrigin: false,
    origins: new Set(),
    ownHost: (more.origins?.size ?? 0) === 0,
    trustedProxies: proxies.length === 0 ? null : readNetworks(proxies, (entry) => { throw new Error(entry) }),
    proxyProtocol: false,
    ...more
  }
}

/** The bytes of an IPv4 peer. */
export function bytesOf (ip: string): ArrayBuffer {
  return new Uint8Array(ip.split('.').map(Number)).buffer
}

/** The head of a good upgrade request, changed as told. */
export function headOf (query: string, headers: Partial<UpgradeHeaders> = {}, more: Partial<UpgradeHead> = {}): UpgradeHead {
  return {
    path: '/ws',
    query,
    bytes: 500,
    peer: bytesOf('192.0.2.1'),
    proxied: new ArrayBuffer(0),
    ...more,
    headers: {
      host: 'gateway.example',
      origin: '',
      authorization: '',
      upgrade: 'websocket',
      connection: 'Upgrade',
      secWebSocketKey: 'dGhlIHNhbXBsZSBub25jZQ==',
      secWebSocketVersion: '13',
      secWebSocketProtocol: '',
      secWebSocketExtensions: '',
      forwardedFor: '',
      traceparent: '',
      ...headers
    }
  }
}

/** A socket that keeps what it is told. */
export interface TestSocket extends Socket {
  readonly sent: string[]
  /** Sent texts, parsed. */
  frames (): Array<Record<string, unknown>>
  ended: { readonly code: number, readonly reason: string } | null
  /** What `bufferedBytes` says. */
  buffered: number
  /** The native layer drops what is sent from now on. */
  full: boolean
  pings: number
  readonly topics: Set<string>
}

export function createTestSocket (): TestSocket {
  const sent: string[] = []
  const topics = new Set<string>()
  const socket: TestSocket = {
    sent,
    topics,
    ended: null,
    buffered: 0,
    full: false,
    pings: 0,
    frames: () => sent.map(text => JSON.parse(text) as Record<string, unknown>),
    send: (frame) => {
      if (socket.full) return 'dropped'
      sent.push(typeof frame === 'string' ? frame : Buffer.from(new Uint8Array(frame)).toString())
      return socket.buffered > 0 ? 'buffered' : 'sent'
    },
    bufferedBytes: () => socket.buffered,
    together: (work) => { work() },
    end: (code, reason) => { socket.ended ??= { code, reason } },
    ping: () => { socket.pings++ },
    terminate: () => { socket.ended ??= { code: 1006, reason: '' } },
    subscribe: (topic) => { topics.add(topic) },
    unsubscribe: (topic) => { topics.delete(topic) }
  }
  return socket
}

export interface TestUpgrade extends PendingUpgrade {
  answered: { readonly status: number, readonly headers: readonly (readonly [string, string])[], readonly body: string } | null
  accepted: { readonly protocol: string, readonly socket: TestSocket, readonly handlers: SocketHandlers } | null
}

export function createTestUpgrade (head: UpgradeHead = headOf('')): TestUpgrade {
  const upgrade: TestUpgrade = {
    head,
    onAborted: null,
    answered: null,
    accepted: null,
    refuse: (status, headers, body) => { upgrade.answered ??= { status, headers, body } },
    accept: (protocol, first, onOpen) => {
      const socket = createTestSocket()
      if (first !== null) socket.send(Buffer.from(first).toString())
      upgrade.accepted = { protocol, socket, handlers: onOpen(socket) }
      return true
    }
  }
  return upgrade
}

let sessions = 0

/** An open connection of a user, with the socket that it talks to. */
export function openTestSession (user: string | Identity = 'alice', more: {
  readonly ip?: string,
  readonly eventTypes?: readonly string[],
  readonly token?: string,
  readonly openedAtMs?: number,
  readonly exempt?: boolean
} = {}): { readonly session: Session, readonly socket: TestSocket } {
  const identity = typeof user === 'string' ? identityOf(user) : user
  const address = parseAddress(more.ip ?? '192.0.2.1') as ClientAddress
  const connectionId = `c${++sessions}`
  const lease: Lease = { owner: identity.userId, connectionId }
  const eventTypes = more.eventTypes === undefined ? null : new Set(more.eventTypes)
  const socket = createTestSocket()
  const session = new Session(connectionId, identity, address, '/ws', lease, more.token ?? '', eventTypes, socket, more.openedAtMs ?? steadyNow(), more.exempt ?? false)
  return { session, socket }
}

export interface TestReport extends Report {
  /** Names of what was reported, in order, with what it was about. */
  readonly lines: string[]
  readonly faults: unknown[]
}

export function createTestReport (): TestReport {
  const lines: string[] = []
  const faults: unknown[] = []
  return {
    lines,
    faults,
    accepted: (session) => { lines.push(`accepted ${session.connectionId}`) },
    refused: (_upgrade, refusal) => { lines.push(`refused ${refusal.name}`) },
    ticketRefused: (_request, refusal) => { lines.push(`ticket refused ${refusal.name}`) },
    wouldRefuse: (_upgrade, refusal) => { lines.push(`would refuse ${refusal.name}`) },
    aborted: () => { lines.push('aborted') },
    closed: (session, code, reason) => { lines.push(`closed ${session.connectionId} ${code} ${reason}`) },
    messageAllowed: () => { lines.push('message allowed') },
    recovery: (isRecovered) => { lines.push(`recovered ${isRecovered}`) },
    messageLimited: () => { lines.push('message limited') },
    accessDenied: (_session, topics, detail) => { lines.push(`denied ${topics.join(' ')}: ${detail}`) },
    untrustedForwardedFor: (peer) => { lines.push(`forwarded ${peer.ip}`) },
    fault: (error) => { faults.push(error) }
  }
}

const unasked = async (): Promise<never> => { throw new Error('nobody should ask') }

/** A limiter that only takes leases back. */
export function createTestLimiter (released: Lease[] = []): Limiter {
  return {
    admit: unasked,
    release: (lease) => { released.push(lease) },
    renew: async () => {},
    vacate: async () => {},
    takeGrant: unasked,
    settle: () => {},
    close: async () => {}
  }
}

/** A wheel that keeps when each connection is due. */
export function createTestWheel (): DeadlineWheel & { readonly due: Map<Session, number> } {
  const due = new Map<Session, number>()
  return {
    due,
    start: () => {},
    schedule: (session, atMs) => { due.set(session, atMs) },
    remove: (session) => { due.delete(session) },
    stop: () => {}
  }
}

/** Subscriptions that keep the names of what they are asked. */
export function createTestSubscriptions (asked: string[] = []): Subscriptions {
  return {
    ownBeginning: () => ({ position: null, from: null, recovered: null }),
    resume: () => { asked.push('resume') },
    open: () => { asked.push('open') },
    subscribe: () => { asked.push('subscribe') },
    unsubscribe: () => { asked.push('unsubscribe') },
    send: () => { asked.push('send') },
    identityChanged: () => { asked.push('identity changed') },
    withdraw: () => { asked.push('withdraw') },
    close: () => { asked.push('close') }
  }
}

/** What connections share, with stand-ins for all that is not given. Every message is granted at once. */
export function createTestContext (more: Partial<SessionContext> = {}): SessionContext {
  return {
    node: 'test-1-boot',
    limits: { frame_bytes: 1024, messages: 100, message_window_s: 60, connections: 5, filter_ids: 50, subscribes_per_s: 10 },
    historyS: 300,
    maxBufferedBytes: 65_536,
    keepTokens: false,
    dryRun: false,
    idleMs: 0,
    clocks: SYSTEM_CLOCKS,
    clockToleranceMs: 5000,
    registry: createRegistry(),
    wheel: createTestWheel(),
    limiter: createTestLimiter(),
    messageLimit: { spend: () => true, request: async () => ({ granted: true }), giveBack: () => {}, close: () => {}, size: 0 },
    identify: { now: () => { throw new Error('nobody should ask') }, wait: unasked },
    judgeTicket: () => { throw new Error('nobody should come with a ticket') },
    subscriptions: createTestSubscriptions(),
    tokenWatch: NO_TOKEN_WATCH,
    report: createTestReport(),
    ...more
  }
}
