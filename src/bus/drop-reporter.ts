const REPORT_GAP_MS = 10_000

/** Some messages were dropped: the reason of the latest, and how many since the last report. */
export interface DropReport<Reason extends string> {
  readonly reason: Reason
  readonly dropped: number
}

/** Counts dropped messages and reports them at most every 10 s, so that a broken publisher cannot flood the log. `now` in ms. */
export function createDropReporter<Reason extends string> (
  report: (drops: DropReport<Reason>) => void,
  now: () => number
): (reason: Reason) => void {
  let dropped = 0
  let reportedAtMs = -Infinity
  return (reason) => {
    dropped++
    if (now() - reportedAtMs < REPORT_GAP_MS) return
    const drops = { reason, dropped }
    reportedAtMs = now()
    dropped = 0
    report(drops)
  }
}
