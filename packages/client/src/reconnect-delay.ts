import { MAX_TIMER_MS } from './clock.js'

export interface Backoff {
  /** Upper end of the first random wait; it doubles with every failure after. */
  readonly baseMs: number
  /** It grows no further than this. */
  readonly capMs: number
}

interface Wait {
  /** What the gateway told, in ms; 0 when it told nothing. */
  readonly toldMs: number
  /** The gateway has spread its clients over the time already: exactly then. */
  readonly isSpread: boolean
  /** Attempts that failed since the last stable connection. */
  readonly failures: number
  readonly backoff: Backoff
  /** 0 to 1. */
  readonly random: number
}

/**
 * How long to wait before the next attempt, in ms: never less than what was told, and after that exponential back-off with full jitter,
 * so that clients that lost one server do not meet again at the next.
 */
export function reconnectDelayMs ({ toldMs, isSpread, failures, backoff, random }: Wait): number {
  const windowMs = isSpread ? 0 : Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(failures, 30))
  return Math.min(MAX_TIMER_MS, Math.ceil(toldMs + random * windowMs))
}
