import { Counter, Gauge, type Registry } from '#prom-client'
import type { IssuerStatus } from '../../tokens/token-verifier.js'
import type { Counters } from './counters.js'

/** What is asked at each scrape rather than counted. */
export interface MetricSources {
  /** What runs: the release, Node and the native layer's package. */
  readonly build: { readonly version: string, readonly node: string, readonly binding: string }
  /** Open connections of this process. */
  connections (): number
  /** Null: no Redis is configured, and the metric has no sample. */
  redisUp (): boolean | null
  issuers (): readonly IssuerStatus[]
  /** Null: no issuer is asked about its tokens. */
  introspectionLateS (): number | null
  auditDropped (): number
  /** As `/readyz` says. */
  ready (): boolean
  /** The event loop is so late that upgrades are refused. */
  eventLoopLate (): boolean
}

/** Registers every metric of ours except the histogram; each reads its numbers when it is scraped. */
export function registerMetrics (registry: Registry, counters: Counters, sources: MetricSources): void {
  registerBuild(registry, sources)
  registerConnections(registry, counters, sources)
  registerTraffic(registry, counters)
  registerDependencies(registry, counters, sources)
}

function registerBuild (registry: Registry, { build }: MetricSources): void {
  const info = new Gauge({
    name: 'portcullis_build_info',
    help: 'Always 1: its labels say which release runs, on which Node and native layer.',
    labelNames: ['version', 'node', 'binding'],
    registers: [registry]
  })
  info.set(build, 1)
}

function registerConnections (registry: Registry, counters: Counters, sources: MetricSources): void {
  registerGauge(registry, 'portcullis_connections', 'Open WebSocket connections.', sources.connections)
  registerGauge(registry, 'portcullis_ready', 'Whether traffic may be sent to this process, as /readyz says.', () => Number(sources.ready()))
  registerGauge(registry, 'portcullis_event_loop_late', 'Whether upgrades are refused (1) because the event loop is late.',
    () => Number(sources.eventLoopLate()))
  registerCounter(registry, 'portcullis_upgrades_total', 'WebSocket upgrades by outcome.', ['outcome'],
    () => Object.entries(counters.upgrades).map(([outcome, count]) => [{ outcome }, count]))
  registerCounter(registry, 'portcullis_upgrades_lost_total', 'Accepted upgrades that the native layer closed at once, by a fault of its own.', [],
    () => [[{}, counters.lostUpgrades]])
  registerCounter(registry, 'portcullis_descriptor_shortages_total', 'Times that the main port was closed because open files had run out.', [],
    () => [[{}, counters.descriptorShortages]])
  registerCounter(registry, 'portcullis_tickets_total', 'Tickets by outcome: issued or refused when asked for, redeemed or rejected when used.', ['outcome'],
    () => Object.entries(counters.tickets).map(([outcome, count]) => [{ outcome }, count]))
  registerCounter(registry, 'portcullis_refusals_total', 'Refusals by name, before and after the upgrade.', ['reason', 'cause'],
    () => [...Object.entries(counters.refusals).map(([reason, count]): [Record<string, string>, number] => [{ reason }, count]), [{ reason: 'unavailable', cause: 'unknown_key' }, counters.awaitedKeys]])
  registerCounter(registry, 'portcullis_closes_total', 'Closed connections by close code.', ['code'],
    () => [...counters.closes].map(([code, count]) => [{ code }, count]))
}

function registerTraffic (registry: Registry, counters: Counters): void {
  registerCounter(registry, 'portcullis_messages_total', 'Data messages by direction.', ['direction'],
    () => Object.entries(counters.messages).map(([direction, count]) => [{ direction }, count]))
  registerCounter(registry, 'portcullis_recoveries_total', 'Positions that clients named, by what became of them.', ['outcome'],
    () => Object.entries(counters.recoveries).map(([outcome, count]) => [{ outcome }, count]))
  registerCounter(registry, 'portcullis_gaps_total', 'Topics of connections of which a gap was told.', [], () => [[{}, counters.gaps]])
  registerCounter(registry, 'portcullis_history_reads_total', 'Calls for events that came before.', [], () => [[{}, counters.historyReads]])
  registerCounter(registry, 'portcullis_history_unreadable_total', 'Topics whose history could not be read, each time that it was tried.', [],
    () => [[{}, counters.historyUnreadable]])
  registerCounter(registry, 'portcullis_issuer_statements_total', 'What issuers told beside tokens, logouts and signals, by what became of it.', ['kind', 'outcome'],
    () => Object.entries(counters.statements).flatMap(([kind, outcomes]) =>
      Object.entries(outcomes).map(([outcome, count]): Sample => [{ kind, outcome }, count])))
  registerCounter(registry, 'portcullis_limit_decisions_total', 'Decisions of the rate limits.', ['limit', 'decision'],
    () => Object.entries(counters.limits).flatMap(([limit, decisions]) =>
      Object.entries(decisions).map(([decision, count]): Sample => [{ limit, decision }, count])))
}

function registerDependencies (registry: Registry, counters: Counters, sources: MetricSources): void {
  registerGauge(registry, 'portcullis_redis_up', 'Whether Redis answers (1) or not (0).', () => {
    const up = sources.redisUp()
    return up === null ? null : Number(up)
  })
  registerCounter(registry, 'portcullis_redis_denied_total', 'Commands that the user of Redis had no right to, by command.', ['command'],
    // Without a first sample of 0 nothing rises when the first one is counted.
    () => [...(counters.redisDenied.size === 0 ? [['evalsha', 0] as const] : counters.redisDenied)].map(([command, count]) => [{ command }, count]))
  const age = new Gauge({
    name: 'portcullis_jwks_age_seconds',
    help: 'Age of the keys of each issuer; none before the first are loaded.',
    labelNames: ['issuer'],
    registers: [registry],
    collect () {
      age.reset()
      for (const { name, ageS } of sources.issuers()) if (ageS !== null) age.set({ issuer: name }, ageS)
    }
  })
  const usable = new Gauge({
    name: 'portcullis_issuer_usable',
    help: 'Whether tokens of each issuer can be checked (1): its keys are at hand and not too old.',
    labelNames: ['issuer'],
    registers: [registry],
    collect () {
      usable.reset()
      for (const issuer of sources.issuers()) usable.set({ issuer: issuer.name }, Number(issuer.usable))
    }
  })
  registerCounter(registry, 'portcullis_jwks_fetches_total', 'Fetches of signing keys by issuer and outcome.', ['issuer', 'outcome'],
    () => sources.issuers().flatMap(({ name, fetches }): Sample[] => [
      [{ issuer: name, outcome: 'ok' }, fetches.ok], [{ issuer: name, outcome: 'failed' }, fetches.failed]
    ]))
  registerCounter(registry, 'portcullis_introspections_total', 'Questions to issuers about tokens (RFC 7662) by outcome.', ['outcome'],
    () => Object.entries(counters.introspections).map(([outcome, count]) => [{ outcome }, count]))
  registerGauge(registry, 'portcullis_introspection_late_seconds',
    'By how much the oldest answer about the token of an open connection has outlived JWT_INTROSPECT_S.', sources.introspectionLateS)
  registerCounter(registry, 'portcullis_audit_dropped_total', 'Log lines lost because their destination was slow or away.', [],
    () => [[{}, sources.auditDropped()]])
}

type Sample = [labels: Record<string, string>, value: number]

/** A counter whose totals are kept elsewhere. */
function registerCounter (registry: Registry, name: string, help: string, labelNames: string[], read: () => Sample[]): void {
  const counter = new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect () {
      counter.reset()
      for (const [labels, value] of read()) counter.inc(labels, value)
    }
  })
}

/** A gauge without labels; null takes its sample away. */
function registerGauge (registry: Registry, name: string, help: string, read: () => number | null): void {
  const gauge = new Gauge({
    name,
    help,
    registers: [registry],
    collect () {
      const value = read()
      if (value === null) gauge.remove()
      else gauge.set(value)
    }
  })
}
