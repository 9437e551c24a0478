import type { ClientAddress } from '../address/client-address.js'
import type { Refusal } from '../refusals.js'
import type { Session } from './session.js'

/** What is known of an upgrade that did not become a connection. */
export interface RefusedUpgrade {
  readonly address: ClientAddress
  readonly path: string
  readonly userId: string | null
  readonly issuer: string | null
  readonly durationMs: number
  /** As `anonymous`, by break-glass. */
  readonly insecure: boolean
  /** Of the request; `''`: none. */
  readonly origin?: string
  /** Of its token, once it is known to be good. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Told by closing an accepted socket instead of by an HTTP status. */
  readonly byClose: boolean
  /** The trace that a trusted proxy has put it into, unjudged; `''` or absent: none. */
  readonly traceparent?: string
}

/** The port by which the life of a connection is written down: log and metrics. */
export interface Report {
  /** `traceparent`: as of `RefusedUpgrade`. */
  accepted (session: Session, durationMs: number, origin: string, traceparent: string): void
  refused (upgrade: RefusedUpgrade, refusal: Refusal): void
  /** Somebody asked for a ticket, and got none. */
  ticketRefused (request: RefusedUpgrade, refusal: Refusal): void
  /** Dry run: a limit said no, and the attempt goes on. */
  wouldRefuse (upgrade: RefusedUpgrade, refusal: Refusal): void
  /** The client left before it was answered. */
  aborted (upgrade: RefusedUpgrade): void
  /** `reason`: a name of the refusal table, or `connection_lost` when the peer vanished. */
  closed (session: Session, code: number, reason: string): void
  /** One frame passed the message limit. */
  messageAllowed (): void
  /** A client named a position: whether all that came after it is given. */
  recovery (isRecovered: boolean): void
  messageLimited (session: Session): void
  /** `detail`: which right is missing. */
  accessDenied (session: Session, topics: readonly string[], detail: string | undefined): void
  untrustedForwardedFor (peer: ClientAddress): void
  /** Something threw where nothing may. */
  fault (error: unknown, where: string): void
}
