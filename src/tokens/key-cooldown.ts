/** A pause after something was done, in which it is not done again. */
export class Cooldown {
  private beganAtMs: number | null = null

  /** `now`: wall clock, ms since the epoch. */
  constructor (private readonly periodMs: number, private readonly now: () => number) {}

  /** The pause begins, anew where it has begun before. */
  begin (): void { this.beganAtMs = this.now() }

  /** It has begun at least once. */
  get hasBegun (): boolean { return this.beganAtMs !== null }

  /** A clock that was set back must not stretch the pause: a negative age counts as over. */
  get isOn (): boolean {
    if (this.beganAtMs === null) return false
    const sinceMs = this.now() - this.beganAtMs
    return sinceMs >= 0 && sinceMs < this.periodMs
  }
}
