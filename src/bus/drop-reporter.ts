import { createSampledLines } from '../observe/sampled-lines.js'
import type { Timers } from '../timers.js'

const REPORT_GAP_MS = 10_000

/** Some messages were dropped: why, and how many since the last report of that reason. */
export interface DropReport<Reason extends string> {
  readonly reason: Reason
  readonly dropped: number
}

export interface DropReporter<Reason extends string> {
  /** Counts one message. */
  note (reason: Reason): void
  /** Reports what was not reported yet. */
  close (): void
}

/**
 * Counts dropped messages and reports those of a reason at once, then every 10 s while there are more, so that a broken
 * publisher cannot flood the log. `now`: monotonic, in ms.
 */
export function createDropReporter<Reason extends string> (
  report: (drops: DropReport<Reason>) => void, now: () => number, timers?: Timers
): DropReporter<Reason> {
  const lines = createSampledLines({ periodMs: REPORT_GAP_MS, mostInPeriod: 1, now, ...(timers === undefined ? {} : { timers }) })
  return {
    note (reason) { lines.note(reason, 1, (dropped) => { report({ reason, dropped }) }) },
    close: lines.close
  }
}
