import type { ReportMistake } from './read-settings.js'
import type { SettingValues } from './settings.js'

const DAY_MS = 86_400_000

/**
 * When break-glass ends, in ms since the epoch; null: it is not asked for. It is never open-ended: it needs an end, at
 * most 24 h ahead. An end that has passed is no mistake: a process that restarts the night after must come up, closed.
 */
export function readInsecureUntil (values: SettingValues, nowMs: number, report: ReportMistake): number | null {
  const until = values.ALLOW_INSECURE_WS_UNTIL
  if (!values.ALLOW_INSECURE_WS) {
    if (until !== undefined) report('ALLOW_INSECURE_WS', 'must be true for ALLOW_INSECURE_WS_UNTIL to mean anything')
    return null
  }
  if (until === undefined) {
    report('ALLOW_INSECURE_WS_UNTIL', 'is needed with ALLOW_INSECURE_WS=true: break-glass must end by itself')
    return null
  }
  const untilMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(until) ? Date.parse(until) : NaN
  if (Number.isNaN(untilMs)) report('ALLOW_INSECURE_WS_UNTIL', 'must be an ISO time with its zone, such as 2030-01-31T12:00:00Z')
  else if (untilMs > nowMs + DAY_MS) report('ALLOW_INSECURE_WS_UNTIL', 'must be at most 24 h ahead')
  return untilMs
}
