import type { HearingReport } from '../issuer-word/hearing.js'
import { boundText, redactToken } from './log/log-text.js'
import type { WriteLine } from './log/log.js'
import type { Metrics } from './metrics/metrics.js'
import { createRefusalSampler, type RefusalSampler } from './refusal-sampler.js'
import type { StatementKind } from './metrics/counters.js'

/** Writes down what issuers tell: lines and counts. No function throws or blocks. */
export interface IssuerAudit {
  readonly reports: Readonly<Record<StatementKind, HearingReport>>
  /** Writes the counts held back and stops the timer. */
  close (): void
}

const WRITTEN_PER_INTERVAL = 10
const MAX_ADDRESSES = 10_000
const SAMPLE_INTERVAL_MS = 10_000
const MAX_DETAIL = 512

/** The literal names stand here, where the catalogue's test looks for them. */
const LINES = {
  logout: {
    heard: { event: 'logout.heard' }, refused: { event: 'logout.refused' }, waiting: { event: 'logout.waiting' }
  },
  signal: {
    heard: { event: 'signal.heard' }, refused: { event: 'signal.refused' }, waiting: { event: 'signal.waiting' }
  }
} as const

/** Makes the audit of one process. What anybody can cause at will is sampled by address. */
export function createIssuerAudit (write: WriteLine, metrics: Pick<Metrics, 'statement'>): IssuerAudit {
  const samplers: RefusalSampler[] = []
  const sampler = (onSuppressed: (ip: string, count: number) => void): RefusalSampler => {
    const made = createRefusalSampler({
      writtenPerInterval: WRITTEN_PER_INTERVAL,
      maxAddresses: MAX_ADDRESSES,
      onSuppressed: (ip, _reason, count) => { onSuppressed(ip, count) }
    })
    samplers.push(made)
    return made
  }

  function reportOf (kind: StatementKind): HearingReport {
    const lines = LINES[kind]
    const refusals = sampler((ip, count) => { write({ ...lines.refused, ip, reason: 'invalid_token', suppressed: count - 1 }) })
    const waits = sampler(() => { /* the refusals, or what is heard, follow */ })
    return {
      heard ({ ip }, issuer, { orders, aside }, carriedOut) {
        metrics.statement(kind, carriedOut)
        const whom = redactToken(orders.map(order => `${order.kind}:${order.id}`).join(' '))
        const target = whom === '' ? undefined : boundText(whom, MAX_DETAIL)
        const line = { issuer, ip, outcome: carriedOut, target }
        if (kind === 'logout') write({ ...LINES.logout.heard, ...line })
        else write({ ...LINES.signal.heard, ...line, detail: aside === null ? undefined : boundText(redactToken(aside), MAX_DETAIL) })
      },
      refused ({ key, ip }, issuer, { fault, detail }) {
        metrics.statement(kind, 'refused')
        if (!refusals.admit(key, 'invalid_token')) return
        const shown = detail === undefined ? undefined : boundText(redactToken(detail))
        write({ ...lines.refused, ip, reason: fault, issuer: issuer ?? undefined, detail: shown })
      },
      kept ({ key, ip }, issuer) {
        metrics.statement(kind, 'waiting')
        if (waits.admit(key, 'unavailable')) write({ ...lines.waiting, ip, issuer })
      }
    }
  }

  const reports = { logout: reportOf('logout'), signal: reportOf('signal') }
  const sweep = (): void => { for (const each of samplers) each.sweep() }
  const timer = setInterval(sweep, SAMPLE_INTERVAL_MS).unref()
  return {
    reports,
    close () {
      clearInterval(timer)
      sweep()
    }
  }
}
