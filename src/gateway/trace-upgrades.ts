import { PATHS } from '../connection/read-request.js'
import type { RefusedUpgrade, Report } from '../connection/report.js'
import type { Tracer } from '../observe/tracing/tracer.js'
import { causeOf, REFUSALS } from '../refusals.js'

/** The socket was accepted, be it to be closed. */
const SWITCHING = 101

/** Has a span written of each upgrade that has an outcome. Without a tracer the report stays what it was, and costs what it did. */
export function traceUpgrades (report: Report, tracer: Tracer | null): Report {
  if (tracer === null) return report
  return {
    ...report,
    accepted (session, durationMs, origin, traceparent) {
      report.accepted(session, durationMs, origin, traceparent)
      const { path, connectionId } = session
      tracer.upgrade({ outcome: 'accepted', cause: '', status: SWITCHING, path, connectionId, durationMs, traceparent })
    },
    refused (upgrade, refusal) {
      report.refused(upgrade, refusal)
      const { name } = refusal
      const status = upgrade.byClose ? SWITCHING : REFUSALS[name].status
      tracer.upgrade({ outcome: name, cause: causeOf(refusal), status, connectionId: null, ...describe(upgrade) })
    },
    aborted (upgrade) {
      report.aborted(upgrade)
      tracer.upgrade({ outcome: 'aborted', cause: '', status: null, connectionId: null, ...describe(upgrade) })
    }
  }
}

function describe ({ path, durationMs, traceparent = '' }: RefusedUpgrade) {
  return { path: PATHS.has(path) ? path : null, durationMs, traceparent }
}
