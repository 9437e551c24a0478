import type { KeyFetchFailure, PublishedKeys } from './fetch-keys.js'
import type { IssuerConfig, JwksSettings } from './issuer-config.js'
import { buildKeySet, type KeySet, type SkippedKeys } from './key-set.js'

/** What a successful fetch brought. */
export interface RefreshedKeys {
  readonly keys: number
  readonly skipped: SkippedKeys
  /** Keys of the set before that are gone: their tokens no longer verify. */
  readonly removed: number
}

/** Most ids of keys that were taken back that are remembered: an issuer has a few in its life. */
const MAX_WITHDRAWN = 100

/** One issuer's keys of the last good fetch, with their age. Replaced as a whole, never merged. */
export class KeptKeys {
  private keys: KeySet | null = null
  private loadedAtMs = 0
  /** Ids of keys that the issuer took back: their tokens are bad, and wait for no fetch. */
  private readonly withdrawn = new Set<string>()

  /** `now`: wall clock, ms since the epoch. */
  constructor (private readonly issuer: IssuerConfig, private readonly settings: JwksSettings, private readonly now: () => number) {}

  /** The keys at hand; null before the first success and when they are older than `maxAgeMs` + `maxStaleMs`. */
  current (): KeySet | null {
    const { maxAgeMs, maxStaleMs } = this.settings
    return this.keys !== null && this.now() - this.loadedAtMs < maxAgeMs + maxStaleMs ? this.keys : null
  }

  /** Null before the first success. */
  ageS (): number | null {
    return this.keys === null ? null : Math.max(0, this.now() - this.loadedAtMs) / 1000
  }

  /** Whether they were asked for at `sinceMs` or later. */
  isFrom (sinceMs: number): boolean {
    return this.keys !== null && this.loadedAtMs >= sinceMs
  }

  /** Takes what a fetch that was started at `startedAtMs` found; keeps the old set when the new one could verify nothing. */
  replace ({ published, address }: PublishedKeys, startedAtMs: number): RefreshedKeys | KeyFetchFailure {
    const before: KeySet['byFingerprint'] = this.keys?.byFingerprint ?? new Map()
    const next = buildKeySet(published, this.issuer.algorithms, before, this.withdrawn)
    // A legacy Supabase project that signs with its shared secret publishes an empty set, and that is no failure.
    if (next.keys.size === 0 && this.issuer.hmacSecret === null) {
      return { ok: false, fault: 'no_usable_key', detail: describeUnused(published.length, next.skipped), address }
    }
    this.keys = next.keys
    this.loadedAtMs = startedAtMs
    const removed = [...before].filter(([each]) => !next.keys.byFingerprint.has(each)).map(([, key]) => key)
    for (const { keyId } of removed) this.withdraw(keyId)
    return { keys: next.keys.size, skipped: next.skipped, removed: removed.length }
  }

  private withdraw (keyId: string | null): void {
    if (keyId === null) return
    this.withdrawn.add(keyId)
    const [oldest] = this.withdrawn
    if (this.withdrawn.size > MAX_WITHDRAWN && oldest !== undefined) this.withdrawn.delete(oldest)
  }
}

function describeUnused (count: number, skipped: SkippedKeys): string {
  const reasons = Object.entries(skipped).map(([reason, number]) => `${number} ${reason}`)
  return reasons.length === 0 ? `${count} published` : `${count} published: ${reasons.join(', ')}`
}
