import type { Knobs } from './knobs.js'
import { Random } from './random.js'
import { Scheduler } from './scheduler.js'
import { Trace } from './trace.js'

/** The promises that are checked, by letter: README.md says what each means. */
export type Invariant = 'order' | 'told' | 'late' | 'rights' | 'twice' | 'lie' | 'leak' | 'plain' | 'live' | 'fault'

export interface Violation {
  readonly invariant: Invariant
  readonly text: string
}

/** When simulated time begins, in ms since the epoch. */
export const BEGINNING_MS = 1_700_000_000_000

/** What all that is simulated shares. */
export class World {
  readonly scheduler = new Scheduler()
  readonly trace: Trace
  /** For what the network does; faults and behaviour have streams of their own, so that each keeps its course when another changes. */
  readonly chance: Random
  violation: Violation | null = null
  readonly counts = new Map<string, number>()

  constructor (readonly seed: number, readonly knobs: Knobs, { keptLines = 0, prints = false } = {}) {
    this.chance = new Random(seed, 1)
    this.trace = new Trace(() => this.scheduler.nowMs, keptLines, prints)
  }

  get nowMs (): number { return this.scheduler.nowMs }

  /** By a clock that nobody sets, in whole ms since the epoch. */
  readonly epochNow = (): number => BEGINNING_MS + Math.floor(this.scheduler.nowMs)

  readonly steadyNow = (): number => BEGINNING_MS + this.scheduler.nowMs

  count (what: string, times = 1): void { this.counts.set(what, (this.counts.get(what) ?? 0) + times) }

  /** A promise is broken. The first is kept, and ends the run. */
  fail (invariant: Invariant, text: string): void {
    if (this.trace.isOn) this.trace.note(`VIOLATION ${invariant}: ${text}`)
    this.violation ??= { invariant, text }
    this.scheduler.stop()
  }
}
