import { byLabel, extremes, ratesBy, samplesOf, sumBy, total, type GroupOf, type Reading } from './reading.js'

export interface Screen {
  readonly columns: number
  readonly rows: number
}

const MAX_LISTED = 6
const UNKNOWN = '–'
/** Left of each row of numbers. */
const TITLE_WIDTH = 13

/** Short and of steady width: 999, 12.3k, 4.56M. */
export function formatNumber (value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`
  return Number.isInteger(value) || value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

const formatMs = (seconds: number): string => `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`
const formatMb = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MB`
const row = (title: string, text: string): string => `${title.padEnd(TITLE_WIDTH)}${text}`

/** The limit and what it decided, other than to allow. */
const byRefusingLimit: GroupOf = ({ limit, decision }) => decision === 'allowed' ? null : `${limit} ${decision}`

/** Rates of a counter in the given order; one that has not moved is shown all the same. */
function rateRow (title: string, names: readonly string[], rates: ReadonlyMap<string, number> | null): string {
  return row(title, names.map(name => `${name} ${rates === null ? UNKNOWN : formatNumber(rates.get(name) ?? 0)}/s`).join('   '))
}

/** The values of a counter since the start that are not 0, the greatest first. */
function countRow (title: string, counts: ReadonlyMap<string, number>): string {
  const some = [...counts].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a)
  const more = some.length > MAX_LISTED ? `   and ${some.length - MAX_LISTED} more` : ''
  const listed = some.slice(0, MAX_LISTED).map(([name, count]) => `${name} ${formatNumber(count)}`).join('   ')
  return row(title, some.length === 0 ? 'none' : listed + more)
}

/** Median and 99th percentile of the upgrades between two readings, as the upper bound of their bucket. */
function latencyText (reading: Reading, previous: Reading | null): string {
  const buckets = ratesBy(reading, previous, 'portcullis_upgrade_seconds_bucket', byLabel('le'))
  const all = buckets?.get('+Inf') ?? 0
  if (buckets === null || all === 0) return `p50 ${UNKNOWN}   p99 ${UNKNOWN}`
  const ordered = [...buckets].sort(([a], [b]) => Number(a.replace('+', '')) - Number(b.replace('+', '')))
  const quantile = (share: number): string => {
    const [bound = '+Inf'] = ordered.find(([, count]) => count >= share * all) ?? []
    return bound === '+Inf' ? '> 10 s' : `≤ ${formatMs(Number(bound))}`
  }
  return `p50 ${quantile(0.5)}   p99 ${quantile(0.99)}`
}

function redisText (reading: Reading): string {
  const up = extremes(reading, 'portcullis_redis_up')
  if (up === null) return 'none'
  if (up.least === 1) return 'up'
  return up.greatest === 1 ? 'DEGRADED in some workers' : 'DEGRADED'
}

function keysText (reading: Reading): string {
  const ages = new Map<string, number>()
  for (const { labels, value } of samplesOf(reading, 'portcullis_jwks_age_seconds')) {
    const issuer = labels['issuer'] ?? ''
    ages.set(issuer, Math.max(value, ages.get(issuer) ?? 0))
  }
  // An issuer that never gave its keys has no age: it comes first, as it is what matters.
  const usable = new Map<string, number>()
  for (const { labels, value } of samplesOf(reading, 'portcullis_issuer_usable')) {
    const issuer = labels['issuer'] ?? ''
    usable.set(issuer, Math.min(value, usable.get(issuer) ?? 1))
  }
  const without = [...usable].filter(([, value]) => value === 0).map(([issuer]) => `${issuer} NONE`)
  const listed = [...without, ...[...ages].map(([issuer, age]) => `${issuer} ${age.toFixed(0)} s`)].slice(0, MAX_LISTED)
  return listed.length === 0 ? 'no keys loaded' : listed.join('   ')
}

function processText (reading: Reading, previous: Reading | null): string {
  const cpu = [...ratesBy(reading, previous, 'process_cpu_seconds_total', () => '')?.values() ?? []][0]
  const lag = extremes(reading, 'nodejs_eventloop_lag_p99_seconds')
  const late = extremes(reading, 'portcullis_event_loop_late')?.greatest === 1 ? '   LATE: upgrades are refused' : ''
  const memory = total(reading, 'process_resident_memory_bytes')
  return [
    `cpu ${cpu === undefined ? UNKNOWN : `${(cpu * 100).toFixed(0)} %`}`,
    `memory ${memory === null ? UNKNOWN : formatMb(memory)}`,
    `event loop p99 ${lag === null ? UNKNOWN : formatMs(lag.greatest)}${late}`
  ].join('   ')
}

function connectionsText (reading: Reading): string {
  const workers = [...sumBy(reading, 'portcullis_connections', byLabel('worker'))].filter(([worker]) => worker !== '')
  const each = workers.slice(0, MAX_LISTED).map(([worker, count]) => `#${worker} ${formatNumber(count)}`).join('  ')
  const more = workers.length > MAX_LISTED ? `  and ${workers.length - MAX_LISTED} more workers` : ''
  return `${formatNumber(total(reading, 'portcullis_connections') ?? 0)} open${each === '' ? '' : `   (${each}${more})`}`
}

function body (reading: Reading, previous: Reading | null): string[] {
  const rates = (name: string, label: string): ReadonlyMap<string, number> | null => ratesBy(reading, previous, name, byLabel(label))
  return [
    row('Connections', connectionsText(reading)),
    rateRow('Upgrades', ['accepted', 'refused', 'aborted'], rates('portcullis_upgrades_total', 'outcome')),
    row('', latencyText(reading, previous)),
    rateRow('Messages', ['in', 'out'], rates('portcullis_messages_total', 'direction')),
    '',
    countRow('Refusals', sumBy(reading, 'portcullis_refusals_total', byLabel('reason'))),
    countRow('Closes', sumBy(reading, 'portcullis_closes_total', byLabel('code'))),
    countRow('Limits', sumBy(reading, 'portcullis_limit_decisions_total', byRefusingLimit)),
    '',
    row('Redis', redisText(reading)),
    row('Issuer keys', keysText(reading)),
    row('Process', processText(reading, previous)),
    row('Log lines', `${formatNumber(total(reading, 'portcullis_audit_dropped_total') ?? 0)} lost`)
  ]
}

/** What a terminal could obey or could not show is replaced: the figures come from a server that may not be ours. */
function fit (line: string, columns: number): string {
  const shown = line.replace(/[^\x20-\x7e–≤]/g, '?')
  return shown.length <= columns ? shown : `${shown.slice(0, Math.max(0, columns - 1))}>`
}

/**
 * Draws one frame: at most `rows` lines of at most `columns` characters. Rates need the reading before; `failure` tells
 * why the newest one is missing.
 */
export function renderFrame (
  address: string, reading: Reading | null, previous: Reading | null, screen: Screen, failure: string | null = null
): string[] {
  const state = failure === null ? reading?.readiness ?? 'waiting' : 'NO ANSWER'
  const lines = [`portcullis top   ${address}   ${state}`, failure ?? '', ...(reading === null ? [] : body(reading, previous)), '', 'q ends; refusals, closes and limits count from the start']
  return lines.slice(0, screen.rows).map(line => fit(line, screen.columns))
}
