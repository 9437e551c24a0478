import type { ClientAddress } from '../address/client-address.js'
import type { RefusalName } from '../refusals.js'

/** What is known of a connection when a line is written about it. Null: not known (yet). */
export interface ConnectionFacts {
  readonly connectionId: string | null
  readonly userId: string | null
  readonly address: ClientAddress
  /** The configured name of the issuer. */
  readonly issuer: string | null
  /** The request target; what may not be logged is taken out by the audit. */
  readonly path: string
  readonly insecure: boolean
}

/** What an attempt showed of the page or app and of the client and actor behind it. Null: nothing. */
export interface PresentedFacts {
  readonly origin: string | null
  /** The OAuth client that asked for the token. */
  readonly client: string | null
  /** Who acts for the user. */
  readonly actor: string | null
}

export const NOTHING_PRESENTED: PresentedFacts = { origin: null, client: null, actor: null }

/** How an attempt was refused. */
export interface RefusedFacts {
  readonly reason: RefusalName
  /** Why, from our own vocabulary. */
  readonly detail?: string | undefined
  /** `refuse=close`: told by a close code instead of a status. */
  readonly byClose?: boolean
  /** Decided, but let through. */
  readonly dryRun?: boolean
  readonly durationMs: number
}

/** How a connection ended. Null where nobody knows any more (`node_lost`). */
export interface ClosedFacts {
  /** A name from the table of refusals, or another word of our own vocabulary such as `node_lost`. */
  readonly reason: string
  /** With `node_lost`: the process that had the connection. */
  readonly lostNode?: string
  readonly code: number | null
  readonly durationMs: number | null
  readonly messagesIn: number | null
  readonly messagesOut: number | null
}

export interface ServerFacts {
  readonly host: string
  readonly port: number
  /** Null: turned off. */
  readonly adminPort: number | null
  /** Which native binding was loaded. */
  readonly binding: string
  readonly insecure: boolean
}
