import { LRUCache } from 'lru-cache'
import { createGenerations } from '../collections/generations.js'
import type { Kind } from '../kinds.js'
import { fingerprintClaims } from '../tokens/claims-fingerprint.js'
import type { Identity } from '../tokens/identity.js'

/** The longest that a positive answer is believed, in ms, whatever the settings say. */
export const MAX_CACHE_MS = 5000

export interface Clocks {
  /** Monotonic, in ms from any start: a wall clock that is set back would stretch every lifetime. */
  readonly now: () => number
  /** In ms since the epoch, for the end of a token; `Date.now` unless given. */
  readonly epochNow?: () => number
}

/** Remembers for seconds which ids a claims set was allowed. Never remembers a no, but a no forgets a yes. */
export interface PositiveCache {
  has (identity: Identity, claim: Kind['claim'], id: string): boolean
  /** A question is asked now: what its answer, however late, is added with. */
  ask (identity: Identity): Asking
  /** Notes ids as allowed by the answer to a question that was asked then. */
  add (identity: Identity, claim: Kind['claim'], ids: readonly string[], asking: Asking): void
  /** Forgets ids that a later answer denied. */
  drop (identity: Identity, claim: Kind['claim'], ids: readonly string[]): void
  /** Forgets what a user, or everybody (null), was allowed, also answers still on their way. */
  forget (userId: string | null): void
}

/** When a question was asked. */
export interface Asking {
  /** Monotonic, in ms. */
  readonly askedAtMs: number
  /** Which generation of the user's rights it asked about. */
  readonly generation: number
}

export interface PositiveCacheOptions {
  /** Ids of all claims sets together. */
  readonly maxEntries: number
  /** How long an answer is believed, in ms: 0 (never) to `MAX_CACHE_MS`. */
  readonly lifetimeMs: number
  readonly clocks: Clocks
}

/** Makes the cache. An entry belongs to one issuer and one whole claims set, and never outlives the token. */
export function createPositiveCache ({ maxEntries, lifetimeMs, clocks }: PositiveCacheOptions): PositiveCache {
  const { now, epochNow = Date.now } = clocks
  const until = new LRUCache<string, number>({ max: maxEntries })
  const lifeMs = Math.min(lifetimeMs, MAX_CACHE_MS)
  const generations = createGenerations()

  /** What was asked about an earlier generation is under keys that nobody looks up any more. */
  function keyOf (identity: Identity, claim: Kind['claim'], id: string, generation = generations.of(identity.userId)): string {
    return `${fingerprintClaims(identity)}:${generation}:${claim}:${id}`
  }

  return {
    has (identity, claim, id) {
      const untilMs = until.get(keyOf(identity, claim, id))
      return untilMs !== undefined && now() < untilMs
    },
    ask: (identity) => ({ askedAtMs: now(), generation: generations.of(identity.userId) }),
    add (identity, claim, ids, { askedAtMs, generation }) {
      const untilMs = Math.min(askedAtMs + lifeMs, now() + identity.expiresAtMs - epochNow())
      if (untilMs <= now() || generation !== generations.of(identity.userId)) return
      for (const id of ids) until.set(keyOf(identity, claim, id, generation), untilMs)
    },
    drop (identity, claim, ids) {
      for (const id of ids) until.delete(keyOf(identity, claim, id))
    },
    forget: generations.bump
  }
}
