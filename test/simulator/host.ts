import type { Timers } from '../../src/timers.js'
import type { Scheduler } from './scheduler.js'

/** Something that runs code: a process, a page. It may stand still, and it may die. */
export class Host implements Timers {
  isDead = false
  private standsUntilMs = 0

  constructor (readonly scheduler: Scheduler) {}

  readonly after = (ms: number, call: () => void): (() => void) =>
    this.scheduler.at(this.scheduler.nowMs + Math.max(0, ms), () => { this.enter(call) })

  readonly soon = (call: () => void): void => { this.after(0, call) }

  /** Runs what has come from outside, as soon as the host runs; nothing once it has died. */
  enter (call: () => void): void {
    if (this.isDead) return
    if (this.scheduler.nowMs >= this.standsUntilMs) return call()
    this.scheduler.at(this.standsUntilMs, () => { this.enter(call) })
  }

  standStill (ms: number): void { this.standsUntilMs = this.scheduler.nowMs + ms }
}
