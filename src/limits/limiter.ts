import type { HeadAnswer, HeadQuestion } from '../history/history.js'

/**
 * The port of the limits; README.md explains its words. Two implementations (Redis, memory) pass one conformance suite;
 * `guarded-limiter` chooses between them when Redis is away.
 */

/** One open (or opening) socket: what its owner's slots count. */
export interface Lease {
  /** Whose slots it takes: a user, or the address of an anonymous connection. */
  readonly owner: string
  /** This process's own, without a space. */
  readonly connectionId: string
  /**
   * The lease record, which the store keeps beside the lease until its release: all that another process needs to write the
   * connection's closed line if this one dies. `''`: nothing is kept.
   */
  readonly record?: string
}

/** A resume pass's part in an upgrade: the first upgrade that presents it is not counted in its address's window. */
export interface Resume {
  /** Base64url, used once in the whole cluster. */
  readonly nonce: string
  /** How long it must be remembered as spent: what is left of the pass's life, 1 to 120,000 ms. */
  readonly ttlMs: number
}

/** What one upgrade asks for. A null part is not checked and not counted. */
export interface Admit {
  /** The client address in the key's form (`192.0.2.1`, `2001:db8:1:2::/64`). */
  readonly address: string | null
  /** A pass that was found genuine. If it has not been spent, the address's window is neither asked nor counted. */
  readonly resume?: Resume | null
  readonly lease: Lease | null
  /** What is asked of the user's own topic, should the lease be given. */
  readonly own?: HeadQuestion | null
}

/**
 * The answer. The address is decided first: when it refuses, no lease is taken; when the user's slots refuse, the attempt
 * still counts against the address.
 */
export type Admission =
  | { readonly admitted: true, /** Null: it was not asked, or could not be read. */ readonly head?: HeadAnswer | null }
  | { readonly admitted: false, readonly limit: 'address' | 'user', readonly retryAfterMs: number }

/** A request for the right to take `demand` messages now, and up to `spare` more soon, from the window of one address. */
export interface GrantRequest {
  readonly address: string
  /** Frames waiting right now: 1 or more. */
  readonly demand: number
  /** How many more to take along, if the window has plenty left: 0 or more. */
  readonly spare: number
  /**
   * How many more to lend ahead, to be spent within about a window: 0 or more; only where `spare` is 0. A limiter that no other
   * process shares lends none, nor does any while an address has used half of its window.
   */
  readonly ahead?: number
}

/**
 * Part of an address's message window, lent to this process for `GRANT_LAPSE_MS` from the moment it was asked for (not
 * from when it arrived: the store's clock started before that). What is not settled by `GRANT_SETTLE_MS` counts as spent.
 */
export interface Grant {
  /** Opaque; only the limiter that made it reads it. */
  readonly id: string
  readonly granted: number
  /** When `granted < demand`: ms until the window can give one more if all that is lent is spent; else 0. */
  readonly retryAfterMs: number
  /**
   * When `granted < demand`, and only because part of the window is lent and may come back unspent: ms (1 to
   * `GRANT_SETTLE_MS`) until the last of that counts as spent, unless it is settled before; else 0.
   */
  readonly unsettledMs: number
  /** Some of what is unsettled was lent ahead: its holders settle it when they are asked, and not much before it lapses. */
  readonly isHeldAhead?: boolean
  /** How long it may be spent, in ms from when it was asked for; absent: `GRANT_LAPSE_MS`. */
  readonly lapseMs?: number
}

/**
 * What became of a grant: `spent` of `granted` were used, the last of them `lastSpentMs` (0 to `GRANT_LAPSE_MS`) after the
 * grant was asked for. The rest goes back to the window, except what had waited for the grant: that counts as used.
 * A settlement whose call fails is not sent again: what it would have given back lapses with the window.
 */
export interface GrantSettlement {
  readonly address: string
  readonly id: string
  readonly granted: number
  readonly spent: number
  readonly lastSpentMs: number
  /** When each message beyond those that waited was spent, as `lastSpentMs`; absent: all with the last. */
  readonly spentMs?: readonly number[]
}

/**
 * This one attempt, or the window of this one address, cannot be decided, though the store is there: a value of another type
 * stands at its key, or a right is missing. It has been reported; others are not concerned.
 */
export class LimitUndecided extends Error {
  override readonly name = 'LimitUndecided'

  constructor () { super('the limit cannot be decided') }
}

export interface Limiter {
  /** Decides one upgrade attempt. Rejects only when the store cannot answer, or with `LimitUndecided`. */
  admit (request: Admit): Promise<Admission>
  /**
   * Gives one lease back, with the next `admit` and before it, or some tens of ms later: so a lease is given back once its
   * `admit` has settled, not before. Giving back twice is giving back once. Never throws: a lost release lapses with its lease.
   */
  release (lease: Lease): void
  /**
   * Gives slots back ahead of their connections' end, so that the clients that are sent away find room elsewhere; records stay
   * until `release`. Resolves when the store has done so, or cannot be asked; never rejects. These leases must not be renewed after.
   */
  vacate (leases: readonly Lease[]): Promise<void>
  /** Extends leases (at most 500 a call) by the lease time from now, registering again those that the store has lost. */
  renew (leases: readonly Lease[]): Promise<void>
  /** Takes a grant from an address's message window, and settles its earlier grants in the same call. Rejects like `admit`. */
  takeGrant (request: GrantRequest, settled: readonly GrantSettlement[]): Promise<Grant>
  /** Settles grants that lapsed without a successor. Never rejects. */
  settle (settled: readonly GrantSettlement[]): void
  close (): Promise<void>
}

export interface LimitSettings {
  /** Accepted attempts per address and window: 1 to 10^9. */
  readonly addressConnections: number
  readonly addressWindowMs: number
  /** Open sockets per user. */
  readonly userConnections: number
  readonly leaseMs: number
  readonly messages: number
  readonly messageWindowMs: number
}

/** How long a process may spend a grant before its unspent part lapses, in ms. */
export const GRANT_LAPSE_MS = 1000

/** How long a grant may stay unsettled, in ms: its holder finds that it has lapsed, and the settlement travels. */
export const GRANT_SETTLE_MS = GRANT_LAPSE_MS + 500

/** How many messages are lent ahead to an address that sends now and then: it asks for one in five. */
export const LENT_AHEAD = 4

/** In a shorter window nothing is lent ahead: it would be over before who sends now and then had sent five. */
const SHORTEST_LENDING_WINDOW_MS = 10_000

/**
 * How long what is lent ahead may stay unsettled, in ms: a window. 0: nothing is lent ahead, as the window is short, or counts in
 * sub-windows, where what is lent cannot be told apart.
 */
export function lentAheadForMs ({ messages, messageWindowMs }: Pick<LimitSettings, 'messages' | 'messageWindowMs'>): number {
  return messages > EXACT_WINDOW_LIMIT || messageWindowMs < SHORTEST_LENDING_WINDOW_MS ? 0 : messageWindowMs
}

/** How long a user without a free slot is told to wait: when one of their sockets closes cannot be known. */
export const USER_RETRY_AFTER_MS = 5000

/** Up to this limit a window is exact; above it, it counts in `SUB_WINDOWS` sub-windows. */
export const EXACT_WINDOW_LIMIT = 1000
export const SUB_WINDOWS = 60
