const HURRIED_EVERY_MS = 5000

/** How often keys are fetched beside the cooldown: at most once in 5 s, whatever asks for it. */
export class Haste {
  private beganAtMs = -Infinity

  /** `now`: wall clock, ms since the epoch. */
  constructor (private readonly now: () => number) {}

  /** Whether one more may begin; it counts as begun then. A clock that was set back must not stretch the pause. */
  mayBegin (): boolean {
    const sinceMs = this.now() - this.beganAtMs
    if (sinceMs >= 0 && sinceMs < HURRIED_EVERY_MS) return false
    this.beganAtMs = this.now()
    return true
  }
}
