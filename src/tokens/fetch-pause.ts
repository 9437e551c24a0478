/** The pause after the first failure of an issuer that never had a key; each further failure doubles it, up to the cooldown. */
const FIRST_PAUSE_MS = 1000

/**
 * The least time between two fetches of one issuer's keys. Before its first key nobody can come in by it, and nobody's token
 * has to be kept from making this process ask: it may be starting, too, and is asked again soon.
 */
export class FetchPause {
  private lastEndMs: number | null = null
  private failedBeforeKeys = 0
  private hadKeys = false

  /** `now`: wall clock, ms since the epoch. */
  constructor (private readonly cooldownMs: number, private readonly now: () => number) {}

  /** A fetch has ended, well or badly. */
  get tried (): boolean { return this.lastEndMs !== null }

  /** A fetch has ended now. */
  end (succeeded: boolean): void {
    this.lastEndMs = this.now()
    if (succeeded) this.hadKeys = true
    else if (!this.hadKeys) this.failedBeforeKeys++
  }

  /** How long the pause is that follows the last fetch, in ms. */
  lengthMs (): number {
    if (this.hadKeys || this.failedBeforeKeys === 0) return this.cooldownMs
    return Math.min(this.cooldownMs, FIRST_PAUSE_MS * 2 ** (this.failedBeforeKeys - 1))
  }

  /** How much of it is left, in ms. A clock that was set back must not stretch it: a negative age counts as over. */
  leftMs (): number {
    if (this.lastEndMs === null) return 0
    const sinceMs = this.now() - this.lastEndMs
    return sinceMs < 0 ? 0 : Math.max(0, this.lengthMs() - sinceMs)
  }
}
