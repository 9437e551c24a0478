import { atMostLongestTimer } from '../longest-timer.js'
import { createDeadline, type FetchJson } from './fetch-json.js'
import { FetchPause } from './fetch-pause.js'
import { Haste } from './haste.js'
import { fetchKeys, type FetchedKeys, type KeyFetchFailure } from './fetch-keys.js'
import type { IssuerConfig, JwksSettings } from './issuer-config.js'
import { KeptKeys, type RefreshedKeys } from './kept-keys.js'
import type { KeySet } from './key-set.js'
import type { IssuerStatus } from './token-verifier.js'

export interface KeySourceOptions {
  readonly issuer: IssuerConfig
  readonly settings: JwksSettings
  readonly fetchJson: FetchJson
  /** Wall clock, ms since the epoch. */
  readonly now: () => number
  /** Told of every fetch that ended; must not throw. */
  readonly onRefreshed: (refreshed: RefreshedKeys) => void
  readonly onFailed: (failure: KeyFetchFailure) => void
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
  /**
   * The same beside the cooldown, at most once in 5 s: for what an issuer says once and never again. Null: that was done within
   * those 5 s.
   */
  hurry (): Promise<void> | null
  /** How long the cooldown still forbids a fetch, in ms; 0: `refresh` may fetch now. */
  waitMs (): number
  /** Whether the keys at hand were asked for at `sinceMs` or later: what is not among them was not published then. */
  isFrom (sinceMs: number): boolean
  status (): IssuerStatus
  /** Ends the fetch in flight and the background refresh. */
  close (): void
}

/** Share of the age, or of the pause, over which several processes spread their background fetches. */
const JITTER = 0.1
/** The background refresh comes at this share of `maxAgeMs` at the latest. */
const REFRESH_AT = 0.9

/** Makes the key source of one issuer; the first `refresh` starts its background refresh. */
export function createKeySource (options: KeySourceOptions): KeySource {
  const { issuer, settings, now } = options
  const fetches = { ok: 0, failed: 0 }
  const kept = new KeptKeys(issuer, settings, now)
  const pause = new FetchPause(settings.cooldownMs, now)
  const haste = new Haste(now)
  let inFlight: { readonly ended: Promise<void>, abort (): void } | null = null
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function refresh (): Promise<void> | null {
    if (inFlight !== null) return inFlight.ended
    return closed || pause.leftMs() > 0 ? null : begin()
  }

  function hurry (): Promise<void> | null {
    if (inFlight !== null) return inFlight.ended
    return !closed && haste.mayBegin() ? begin() : null
  }

  function begin (): Promise<void> {
    const deadline = createDeadline(settings.timeoutMs)
    const startedAtMs = now()
    const ended = fetchKeys(issuer, options.fetchJson, deadline.signal).then(fetched => {
      deadline.abort()
      inFlight = null
      if (!closed) settle(fetched, startedAtMs)
    })
    inFlight = { ended, abort: deadline.abort }
    return ended
  }

  function settle (fetched: FetchedKeys, startedAtMs: number): void {
    const outcome = fetched.ok ? kept.replace(fetched, startedAtMs) : fetched
    pause.end(!('ok' in outcome))
    if ('ok' in outcome) {
      fetches.failed++
      options.onFailed(outcome)
    } else {
      fetches.ok++
      options.onRefreshed(outcome)
    }
    schedule(!('ok' in outcome))
  }

  function schedule (succeeded: boolean): void {
    clearTimeout(timer)
    timer = setTimeout(() => { if (refresh() === null) schedule(false) }, refreshDelayMs(settings.maxAgeMs, pause.lengthMs(), succeeded))
    timer.unref()
  }

  function close (): void {
    closed = true
    clearTimeout(timer)
    inFlight?.abort()
  }

  return {
    current: () => kept.current(),
    refresh,
    hurry,
    waitMs: () => pause.leftMs(),
    isFrom: sinceMs => kept.isFrom(sinceMs),
    status: () => ({ ...describeKeys(issuer, kept), tried: pause.tried, fetches: { ...fetches } }),
    close
  }
}

function describeKeys ({ name, hmacSecret }: IssuerConfig, kept: KeptKeys): Pick<IssuerStatus, 'name' | 'usable' | 'ageS'> {
  return { name, usable: hmacSecret !== null || kept.current() !== null, ageS: kept.ageS() }
}

/** How long until the background refresh that follows a fetch, in ms. */
function refreshDelayMs (maxAgeMs: number, pauseMs: number, succeeded: boolean): number {
  const spread = JITTER * Math.random()
  const dueMs = succeeded ? maxAgeMs * (REFRESH_AT - spread) : pauseMs * (1 + spread)
  // One more than the pause: a timer may come a millisecond early, and would then find the fetch forbidden.
  return atMostLongestTimer(Math.max(dueMs, pauseMs + 1))
}
