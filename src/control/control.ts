import type { Identity } from '../tokens/identity.js'
import type { RevokedTokens, TokenName } from '../tokens/token-name.js'

/** Tokens that are not accepted any more: one token, one session, or those of one user. */
export interface Revocation extends TokenName {
  /** Configured name of the issuer; null: whatever the issuer. */
  readonly issuer: string | null
  /** Only tokens issued before, in ms since the epoch (a token without `iat` counts as such). Null: all; for a `sub`, all until now. */
  readonly issuedBeforeMs: number | null
}

/** Which revocations to lift: those of this id, of this issuer or (null) of any. */
export type RevocationTarget = Omit<Revocation, 'issuedBeforeMs'>

/** A ban that stands. */
export interface ListedBan {
  readonly address: string
  /** How long it still lasts, in ms, 1 or more. */
  readonly remainingMs: number
}

/** A revocation that stands. */
export interface ListedRevocation {
  readonly revocation: Revocation
  /** How long it still lasts, in ms, 1 or more. */
  readonly remainingMs: number
}

/** Which part of a list is wanted. */
export interface PageRequest {
  /** Entries at most, 1 or more. */
  readonly limit: number
  /** `next` of the page before; null: from the beginning. */
  readonly after: string | null
}

/** A part of a list, what ends first at the front. */
export interface Page<T> {
  readonly entries: readonly T[]
  /** To be given as `after` for the next part, at most 64 characters; null: nothing follows. */
  readonly next: string | null
}

/** What stands now, for operators: as Redis keeps it, not only as this process knows it. */
export interface OrderLists {
  /** Null: `after` is not one that a page ended with. Rejects when Redis cannot be asked. */
  listBans (page: PageRequest): Promise<Page<ListedBan> | null>
  /** Null: `after` is not one that a page ended with. Rejects when Redis cannot be asked. */
  listRevocations (page: PageRequest): Promise<Page<ListedRevocation> | null>
}

/** What this process does when something was ordered, here or on another process. Calls may repeat; they must not throw. */
export interface ControlHandlers {
  /** Tokens were revoked: their connections end, cached verdicts are forgotten. */
  onRevoked (revoked: RevokedTokens): void
  /** This user's connections end. */
  onDisconnect (userId: string): void
  /** The connections of these addresses end. */
  onBanned (addresses: ReadonlySet<string>): void
  /** The rights of this user, or of everybody (null), may have changed. */
  onRecheck (userId: string | null): void
}

/**
 * What operators and back ends order, on every process within a second. An order is kept with a lifetime before it is
 * done here and announced: it rejects when that cannot be done. Its functions may be passed on by themselves.
 */
export interface Control extends OrderLists {
  /** False until revocations and bans were read for the first time: until then the process is not ready. */
  readonly loaded: boolean
  /** False until the channel of orders was subscribed for the first time, and while that is denied: orders of others come late. */
  readonly listening: boolean
  /** Begins to listen and to load; comes back to both by itself. Before it, an order changes what is known and tells nobody. */
  start (handlers: ControlHandlers): void
  /** Whether this token is revoked, as far as this process knows. Synchronous, for every upgrade. */
  isRevoked (identity: Identity): boolean
  /** How long this address is banned, in ms; 0: not at all. Synchronous, for every upgrade. */
  bannedForMs (address: string): number
  revoke (revocation: Revocation): Promise<void>
  unrevoke (target: RevocationTarget): Promise<void>
  /** Bans an address in the form of the limits' keys, from now on. A ban replaces an earlier one. */
  ban (address: string, durationMs: number): Promise<void>
  unban (address: string): Promise<void>
  disconnect (userId: string): Promise<void>
  recheck (userId: string | null): Promise<void>
  close (): Promise<void>
}

/** Revocations kept at once; at this number a further one is rejected, since none may be forgotten. */
export const MAX_REVOCATIONS = 100_000
/** Bans kept at once; at this number the one that ends first makes room. */
export const MAX_BANS = 100_000
/** Orders to disconnect or re-check kept at once, for two minutes each; at this number a further one is rejected. */
export const MAX_ORDERS = 10_000
