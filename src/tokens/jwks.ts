import { createDeadline } from './fetch-json.js'
import { fetchKeys, type FetchedKeys, type KeyFetchFault } from './fetch-keys.js'
import type { IssuerConfig, JwksSettings } from './issuer-config.js'
import { buildKeySet, type KeySet, type SkippedKeys } from './key-set.js'
import type { IssuerStatus } from './token-verifier.js'

/** What a successful fetch brought. */
export interface RefreshedKeys {
  readonly keys: number
  readonly skipped: SkippedKeys
  /** Keys of the set before that are gone: their tokens no longer verify. */
  readonly removed: number
}

export interface KeySourceOptions {
  readonly issuer: IssuerConfig
  readonly settings: JwksSettings
  /** Wall clock, ms since the epoch. */
  readonly now: () => number
  /** Told of every fetch that ended; must not throw. */
  readonly onRefreshed: (refreshed: RefreshedKeys) => void
  readonly onFailed: (fault: KeyFetchFault) => void
}

/** One issuer's keys: fetched, kept for a bounded time, replaced as a whole. */
export interface KeySource {
  /** The keys at hand; null before the first success and when they are older than `maxAgeMs` + `maxStaleMs`. */
  current (): KeySet | null
  /**
   * Joins the fetch in flight or starts one, and resolves when it has ended, well or badly; null when the cooldown
   * forbids a fetch. Never rejects.
   */
  refresh (): Promise<void> | null
  status (): IssuerStatus
  /** Ends the fetch in flight and the background refresh. */
  close (): void
}

/** Share of the age, or of the cooldown, over which several processes spread their background fetches. */
const JITTER = 0.1
/** The background refresh comes at this share of `maxAgeMs` at the latest. */
const REFRESH_AT = 0.9
/** A longer timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Makes the key source of one issuer; the first `refresh` starts its background refresh. */
export function createKeySource (options: KeySourceOptions): KeySource {
  const { issuer, settings, now } = options
  const fetches = { ok: 0, failed: 0 }
  let keys: KeySet | null = null
  let loadedAtMs = 0
  let lastEndMs: number | null = null
  let inFlight: { readonly ended: Promise<void>, abort (): void } | null = null
  let timer: NodeJS.Timeout | undefined
  let closed = false

  // A clock that was set back must not stretch the cooldown: a negative age counts as over.
  function coolingDown (): boolean {
    if (lastEndMs === null) return false
    const sinceMs = now() - lastEndMs
    return sinceMs >= 0 && sinceMs < settings.cooldownMs
  }

  function current (): KeySet | null {
    return keys !== null && now() - loadedAtMs < settings.maxAgeMs + settings.maxStaleMs ? keys : null
  }

  function refresh (): Promise<void> | null {
    if (inFlight !== null) return inFlight.ended
    if (closed || coolingDown()) return null
    const deadline = createDeadline(settings.timeoutMs)
    const startedAtMs = now()
    const ended = fetchKeys(issuer, deadline.signal).then(fetched => {
      deadline.abort()
      inFlight = null
      if (!closed) settle(fetched, startedAtMs)
    })
    inFlight = { ended, abort: deadline.abort }
    return ended
  }

  function settle (fetched: FetchedKeys, startedAtMs: number): void {
    lastEndMs = now()
    const fault = fetched.ok ? replaceKeys(fetched.published, startedAtMs) : fetched.fault
    if (fault !== null) {
      fetches.failed++
      options.onFailed(fault)
    }
    schedule(fault === null)
  }

  /** Replaces the whole set, never merges; keeps the old one when the new one could verify nothing. */
  function replaceKeys (published: readonly unknown[], startedAtMs: number): KeyFetchFault | null {
    const before = keys?.byFingerprint ?? new Map<string, never>()
    const next = buildKeySet(published, issuer, before)
    // A legacy Supabase project that signs with its shared secret publishes an empty set, and that is no failure.
    if (next.keys.size === 0 && issuer.hmacSecret === null) return 'no_usable_key'
    keys = next.keys
    loadedAtMs = startedAtMs
    fetches.ok++
    const removed = [...before.keys()].filter(each => !next.keys.byFingerprint.has(each)).length
    options.onRefreshed({ keys: next.keys.size, skipped: next.skipped, removed })
    return null
  }

  function schedule (succeeded: boolean): void {
    const spread = JITTER * Math.random()
    const dueMs = succeeded ? settings.maxAgeMs * (REFRESH_AT - spread) : settings.cooldownMs * (1 + spread)
    clearTimeout(timer)
    // One more than the cooldown: a timer may come a millisecond early, and would then find the fetch forbidden.
    const delayMs = Math.min(Math.max(dueMs, settings.cooldownMs + 1), MAX_TIMER_MS)
    timer = setTimeout(() => { if (refresh() === null) schedule(false) }, delayMs)
    timer.unref()
  }

  function status (): IssuerStatus {
    return {
      name: issuer.name,
      tried: lastEndMs !== null,
      usable: issuer.hmacSecret !== null || current() !== null,
      ageS: keys === null ? null : Math.max(0, now() - loadedAtMs) / 1000,
      fetches: { ...fetches }
    }
  }

  function close (): void {
    closed = true
    clearTimeout(timer)
    inFlight?.abort()
  }

  return { current, refresh, status, close }
}
