import { Histogram, Registry } from '#prom-client'
import type { RefusalName } from '../../refusals.js'
import type { IntrospectionOutcome } from '../../tokens/introspection-desk.js'
import {
  countClose, createCounters, type CountedLimit, type LimitDecision, type MessageDirection, type RecoveryOutcome, type StatementKind,
  type StatementOutcome, type TicketOutcome, type UpgradeOutcome
} from './counters.js'
import { registerMetrics, type MetricSources } from './exposition.js'
import { nodeMetrics } from './node-metrics.js'

/** Metrics of one process as prom-client exports them. */
export type MetricsJson = ReadonlyArray<Readonly<Record<string, unknown>>>

/** What happened, as numbers. Cheap enough for every message: nothing here allocates except `upgrade` and `closed`. */
export interface Metrics {
  /** One upgrade attempt has ended. `durationS`: from the request's arrival to the answer. */
  upgrade (outcome: UpgradeOutcome, durationS: number): void
  /** The native layer closed a socket while it upgraded it. */
  upgradeLost (): void
  /** The main port was closed, as descriptors were short. */
  descriptorsShort (): void
  /** `isKeyAwaited`: for a key that was not fetched yet, which is no outage. */
  refused (reason: RefusalName, isKeyAwaited?: boolean): void
  /** Codes that we do not know count together as `other`. */
  closed (code: number): void
  /** `count` more messages: 1 or more. */
  message (direction: MessageDirection, count: number): void
  limitDecision (limit: CountedLimit, decision: LimitDecision): void
  /** A client named a position in a topic. */
  recovery (outcome: RecoveryOutcome): void
  /** Somebody asked for a ticket, or came with one. */
  ticket (outcome: TicketOutcome): void
  /** A connection was told that events of `topics` topics may be missing: 1 or more. */
  gap (topics: number): void
  /** Events that came before were read from the store, in one call. */
  historyRead (): void
  /** The history of one topic could not be read. */
  historyUnreadable (): void
  /** A question about a token ended. */
  introspection (outcome: IntrospectionOutcome): void
  /** An issuer told something: what became of it. One that waits for a key counts again as it is judged. */
  statement (kind: StatementKind, outcome: StatementOutcome): void
  /** The user of Redis had no right to a command, `count` times; 0 shows the label. `command`: one that the gateway uses. */
  redisDenied (command: string, count: number): void
  /** Names what is asked at each scrape. Once; until then nothing but Node's own metrics and the upgrades' times is shown. */
  start (sources: MetricSources): void
  /** Everything in Prometheus's text format. */
  render (): Promise<{ readonly contentType: string, readonly body: string }>
  /** The same as data, labelled by `worker`, for a supervisor that puts several processes together. */
  toJson (worker: number): Promise<MetricsJson>
  /** Lets go of the sources. Node's own metrics belong to the process and stay. */
  close (): void
}

/** Upper bounds in seconds, around the targets (a millisecond) and the deadline (5 s). */
const UPGRADE_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Makes the metrics of one gateway. */
export function createMetrics (): Metrics {
  const counters = createCounters()
  const registry = new Registry()
  // The one metric that prom-client counts itself: 0.14 µs an upgrade is not worth buckets of our own.
  const upgradeSeconds = new Histogram({
    name: 'portcullis_upgrade_seconds',
    help: 'Time from an upgrade request to its answer.',
    buckets: UPGRADE_BUCKETS_S,
    registers: [registry]
  })
  return {
    upgrade (outcome, durationS) {
      counters.upgrades[outcome]++
      upgradeSeconds.observe(durationS)
    },
    upgradeLost () { counters.lostUpgrades++ },
    descriptorsShort () { counters.descriptorShortages++ },
    refused (reason, isKeyAwaited = false) {
      if (isKeyAwaited) counters.awaitedKeys++
      else counters.refusals[reason]++
    },
    closed (code) { countClose(counters, code) },
    message (direction, count) { counters.messages[direction] += count },
    limitDecision (limit, decision) { counters.limits[limit][decision]++ },
    recovery (outcome) { counters.recoveries[outcome]++ },
    ticket (outcome) { counters.tickets[outcome]++ },
    gap (topics) { counters.gaps += topics },
    historyRead () { counters.historyReads++ },
    historyUnreadable () { counters.historyUnreadable++ },
    introspection (outcome) { counters.introspections[outcome]++ },
    statement (kind, outcome) { counters.statements[kind][outcome]++ },
    redisDenied (command, count) { counters.redisDenied.set(command, (counters.redisDenied.get(command) ?? 0) + count) },
    start (sources) { registerMetrics(registry, counters, sources) },
    async render () {
      const [ours, node] = await Promise.all([registry.metrics(), nodeMetrics().metrics()])
      return { contentType: registry.contentType, body: `${ours}\n${node}` }
    },
    async toJson (worker) {
      registry.setDefaultLabels({ worker })
      nodeMetrics().setDefaultLabels({ worker })
      const parts = await Promise.all([registry.getMetricsAsJSON(), nodeMetrics().getMetricsAsJSON()])
      // The label keeps the workers' samples apart, so there is nothing to sum; prom-client would leave out some metrics.
      return parts.flat().map(metric => ({ ...metric, aggregator: 'first' }))
    },
    close () { registry.clear() }
  }
}
