import t, { type Test } from 'tap'
import type { MetricSources } from '../../../src/observe/metrics/exposition.js'
import { BUILD } from '../../support/metrics.js'
import { createMetrics } from '../../../src/observe/metrics/metrics.js'
import { REFUSALS } from '../../../src/refusals.js'
import { offenders } from '../../support/offenders.js'

const QUIET: MetricSources = {
  build: BUILD,
  connections: () => 0,
  redisUp: () => null,
  issuers: () => [],
  introspectionLateS: () => null,
  auditDropped: () => 0,
  ready: () => true,
  eventLoopLate: () => false
}

function startMetrics (t: Test, sources: Partial<MetricSources> = {}) {
  const metrics = createMetrics()
  metrics.start({ ...QUIET, ...sources })
  t.teardown(() => { metrics.close() })
  /** Every sample by its name and labels. */
  async function scrape (): Promise<Map<string, string>> {
    const { body } = await metrics.render()
    const samples = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]))
  }
  return { metrics, scrape }
}

function closeSamples (samples: Map<string, string>): Array<[string, string]> {
  return [...samples].filter(([name]) => name.startsWith('portcullis_closes_total'))
}

t.test('every metric of the contract is there with its type and labels, beside Node\'s own', async (t) => {
  const issuers = () => [{ name: 'kc', tried: true, usable: true, ageS: 12, fetches: { ok: 2, failed: 1 } }]
  const { metrics } = startMetrics(t, { redisUp: () => true, issuers })
  const { contentType, body } = await metrics.render()
  t.match(contentType, /^text\/plain; version=0\.0\.4/)
  const types = [
    'portcullis_connections gauge', 'portcullis_upgrades_total counter', 'portcullis_upgrades_lost_total counter', 'portcullis_upgrade_seconds histogram',
    'portcullis_refusals_total counter', 'portcullis_closes_total counter', 'portcullis_messages_total counter',
    'portcullis_limit_decisions_total counter', 'portcullis_redis_up gauge', 'portcullis_jwks_age_seconds gauge',
    'portcullis_jwks_fetches_total counter', 'portcullis_audit_dropped_total counter'
  ]
  t.same(await offenders(types, type => body.includes(`# TYPE ${type}\n`)), [])
  const samples = [
    'portcullis_redis_up 1', 'portcullis_jwks_age_seconds{issuer="kc"} 12',
    'portcullis_jwks_fetches_total{issuer="kc",outcome="ok"} 2', 'portcullis_jwks_fetches_total{issuer="kc",outcome="failed"} 1',
    'portcullis_upgrades_total{outcome="aborted"} 0', 'portcullis_messages_total{direction="in"} 0',
    'portcullis_limit_decisions_total{limit="message",decision="would_refuse"} 0', 'portcullis_closes_total{code="other"} 0'
  ]
  t.same(await offenders(samples, sample => body.includes(`${sample}\n`)), [])
  for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_seconds', 'process_resident_memory_bytes', 'process_open_fds']) {
    t.match(body, new RegExp(`^${name} [\\d.e-]+$`, 'm'))
  }
})

t.test('every refusal and every close code of the table is there at 0 from the start', async (t) => {
  const { scrape } = startMetrics(t)
  const samples = await scrape()
  for (const [name, { closeCode }] of Object.entries(REFUSALS)) {
    t.equal(samples.get(`portcullis_refusals_total{reason="${name}"}`), '0')
    if (closeCode !== null) t.equal(samples.get(`portcullis_closes_total{code="${closeCode}"}`), '0')
  }
})

t.test('what runs is named, as labels of a 1', async (t) => {
  const { scrape } = startMetrics(t)
  t.equal((await scrape()).get('portcullis_build_info{version="9.9.9",node="v99.0.0",binding="a binding 9.9.9"}'), '1')
})

t.test('what happened is counted, and a second scrape does not count it again', async (t) => {
  const { metrics, scrape } = startMetrics(t, { connections: () => 7, auditDropped: () => 3 })
  metrics.upgrade('accepted', 0.002)
  metrics.upgrade('refused', 20)
  metrics.refused('invalid_token')
  metrics.refused('invalid_token')
  metrics.closed(4429)
  metrics.message('in', 10)
  metrics.message('out', 3)
  metrics.limitDecision('ip', 'allowed')
  await scrape()
  const samples = await scrape()
  const expected = {
    portcullis_connections: '7',
    portcullis_audit_dropped_total: '3',
    'portcullis_upgrades_total{outcome="accepted"}': '1',
    portcullis_upgrade_seconds_count: '2',
    'portcullis_upgrade_seconds_bucket{le="0.0025"}': '1',
    'portcullis_upgrade_seconds_bucket{le="+Inf"}': '2',
    'portcullis_refusals_total{reason="invalid_token"}': '2',
    'portcullis_closes_total{code="4429"}': '1',
    'portcullis_messages_total{direction="in"}': '10',
    'portcullis_messages_total{direction="out"}': '3',
    'portcullis_limit_decisions_total{limit="ip",decision="allowed"}': '1'
  }
  t.same(await offenders(Object.entries(expected), ([name, value]) => samples.get(name) === value), [])
})

t.test('no close code that a client makes up becomes a label', async (t) => {
  const { metrics, scrape } = startMetrics(t)
  const labelsBefore = closeSamples(await scrape()).length
  for (let code = 3000; code < 5000; code++) metrics.closed(code)
  const closes = closeSamples(await scrape())
  t.equal(closes.length, labelsBefore)
  t.equal(closes.reduce((total, [, value]) => total + Number(value), 0), 2000)
})

t.test('the state of Redis follows its source, and without Redis there is no sample', async (t) => {
  let up: boolean | null = null
  const { scrape } = startMetrics(t, { redisUp: () => up })
  t.equal((await scrape()).has('portcullis_redis_up'), false)
  up = false
  t.equal((await scrape()).get('portcullis_redis_up'), '0')
  up = true
  t.equal((await scrape()).get('portcullis_redis_up'), '1')
  up = null
  t.equal((await scrape()).has('portcullis_redis_up'), false)
})

t.test('an issuer whose keys never came has no age', async (t) => {
  const issuers = () => [{ name: 'kc', tried: true, usable: false, ageS: null, fetches: { ok: 0, failed: 4 } }]
  const { scrape } = startMetrics(t, { issuers })
  const samples = await scrape()
  t.equal(samples.has('portcullis_jwks_age_seconds{issuer="kc"}'), false)
  t.equal(samples.get('portcullis_jwks_fetches_total{issuer="kc",outcome="failed"}'), '4')
})

t.test('two gateways of one process count apart, and after close one lets go of its sources', async (t) => {
  const one = startMetrics(t, { connections: () => 1 })
  const two = startMetrics(t, { connections: () => 2 })
  one.metrics.message('in', 5)
  t.equal((await two.scrape()).get('portcullis_messages_total{direction="in"}'), '0')
  one.metrics.close()
  t.equal((await one.scrape()).has('portcullis_connections'), false)
  t.equal((await two.scrape()).get('portcullis_connections'), '2')
})
