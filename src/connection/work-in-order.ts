import { refuse } from '../refusals.js'
import type { Report } from './report.js'
import { endSession } from './send-end-close.js'
import type { Session } from './session.js'

const UNAVAILABLE = refuse('unavailable', { retryAfterMs: 1000 })

/**
 * Runs work of one connection after its work before, so that an `unsubscribe` never overtakes the `subscribe` before it, and after the
 * tokens that came before it, so that a `subscribe` has the rights of the `refresh` before it.
 * Work that throws is a fault: the connection ends. Work of a connection that has ended is not begun.
 */
export function workInOrder (session: Session, report: Pick<Report, 'fault'>, work: () => Promise<void>): void {
  const guarded = async (): Promise<void> => {
    if (session.ending !== null) return
    try {
      await work()
    } catch (error) {
      report.fault(error, 'subscription')
      endSession(session, UNAVAILABLE)
    }
  }
  const { work: before, refreshing } = session
  const started = before === null && refreshing === null ? guarded() : Promise.all([before, refreshing]).then(guarded)
  const run: Promise<void> = started.then(() => { if (session.work === run) session.work = null })
  session.work = run
}
