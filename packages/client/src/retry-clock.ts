import type { ClientSettings } from './client-options.js'
import type { Ending } from './close-policy.js'
import { MAX_TIMER_MS } from './clock.js'
import { reconnectDelayMs } from './reconnect-delay.js'
import { isOnline } from './surroundings.js'

/** Says when the next attempt may be made: by the failures so far, and by what the gateway has told. Times are monotonic, in ms. */
export class RetryClock {
  private failures = 0
  private openedAtMs = Infinity
  /** When the last `closing` frame allows to come back; null once an attempt was made. */
  private reconnectAtMs: number | null = null
  private allowedAtMs = 0

  constructor (private readonly settings: Pick<ClientSettings, 'backoff' | 'stableMs' | 'clock'>) {}

  /** An attempt is made: what was told before it counts no more. */
  attempted (): void { this.reconnectAtMs = null }

  /** The gateway said `welcome`. */
  opened (): void { this.openedAtMs = this.settings.clock.now() }

  /** The gateway said `closing`, and allows to come back in `afterMs`. */
  told (afterMs: number): void { this.reconnectAtMs = this.settings.clock.now() + Math.max(0, afterMs) }

  /** A connection or an attempt is over. One that stood for `stableMs` ends the row of failures. */
  ended (): void {
    if (this.settings.clock.now() - this.openedAtMs >= this.settings.stableMs) this.failures = 0
    this.openedAtMs = Infinity
  }

  /** Ms to wait before the next attempt, which counts as one more failure until it has stood. */
  nextDelayMs ({ retryAfterMs }: Ending): number {
    const { backoff, clock } = this.settings
    const nowMs = clock.now()
    const closingMs = this.reconnectAtMs === null ? 0 : Math.max(0, this.reconnectAtMs - nowMs)
    const toldMs = Math.max(closingMs, retryAfterMs ?? 0)
    this.allowedAtMs = nowMs + toldMs
    const delayMs = reconnectDelayMs({ toldMs, isSpread: closingMs > 0, failures: this.failures++, backoff, random: clock.random() })
    return isOnline() ? delayMs : Math.max(delayMs, backoff.capMs)
  }

  /** Ms to wait now that the network is back: no longer than was told, with a spread, as all come back at once. */
  onlineDelayMs (): number {
    const { backoff, clock } = this.settings
    const toldMs = Math.max(0, this.allowedAtMs - clock.now())
    return Math.min(MAX_TIMER_MS, toldMs + clock.random() * backoff.baseMs)
  }
}
