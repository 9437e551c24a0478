import t from 'tap'
import { parseMetrics } from '../../../src/cli/top/parse-metrics.js'
import type { Reading } from '../../../src/cli/top/reading.js'
import { formatNumber, renderFrame } from '../../../src/cli/top/render-frame.js'

const SCREEN = { columns: 80, rows: 24 }
const ORIGIN = 'http://127.0.0.1:9002'

function readingAt (atMs: number, lines: readonly string[], readiness = 'ready'): Reading {
  return { atMs, samples: parseMetrics(lines.join('\n')), readiness }
}
/** The text of one row after its title. */
const rowOf = (frame: readonly string[], title: string): string => frame.find(line => line.startsWith(title))?.slice(13) ?? ''

t.test('a page of metrics is read: labels with escapes, comments left out, no sample where there is no number', async (t) => {
  t.same(parseMetrics('# HELP a b\na 1\nb{x="1",le="+Inf"} 2.5e3\nc{x="a\\"},\\\\"} 3\nd one\n{} 4\n'), [
    { name: 'a', labels: {}, value: 1 }, { name: 'b', labels: { x: '1', le: '+Inf' }, value: 2500 }, { name: 'c', labels: { x: 'a"},\\' }, value: 3 }
  ])
})

t.test('rates are those between two readings, over all workers', async (t) => {
  const page = (one: number, two: number): string[] => [
    `portcullis_upgrades_total{outcome="accepted",worker="1"} ${one}`, `portcullis_upgrades_total{outcome="accepted",worker="2"} ${two}`
  ]
  const before = readingAt(1000, page(10, 100))
  t.match(rowOf(renderFrame(ORIGIN, before, null, SCREEN), 'Upgrades'), 'accepted –/s')
  t.match(rowOf(renderFrame(ORIGIN, readingAt(3000, page(30, 140)), before, SCREEN), 'Upgrades'), 'accepted 30/s')
  t.match(rowOf(renderFrame(ORIGIN, readingAt(3000, page(4, 140)), before, SCREEN), 'Upgrades'), 'accepted 22/s', 'worker 1 began again at 0')
  t.match(rowOf(renderFrame(ORIGIN, readingAt(3000, page(30, 140)), readingAt(1000, page(10, 100).slice(0, 1)), SCREEN), 'Upgrades'), 'accepted 10/s', 'worker 2 was not there before')
})

t.test('latency is the bound of the bucket that holds the share', async (t) => {
  const page = (fast: number, slow: number, all: number): string[] => [
    `portcullis_upgrade_seconds_bucket{le="0.001"} ${fast}`, `portcullis_upgrade_seconds_bucket{le="0.25"} ${slow}`, `portcullis_upgrade_seconds_bucket{le="+Inf"} ${all}`
  ]
  const latency = (fast: number, slow: number, all: number): string =>
    renderFrame(ORIGIN, readingAt(2000, page(fast, slow, all)), readingAt(1000, page(0, 0, 0)), SCREEN)[4]?.trim() ?? ''
  t.equal(latency(90, 100, 100), 'p50 ≤ 1.0 ms   p99 ≤ 250 ms')
  t.equal(latency(10, 20, 100), 'p50 > 10 s   p99 > 10 s')
  t.equal(latency(0, 0, 0), 'p50 –   p99 –')
})

t.test('what needs attention is told: degraded limits, a late event loop, lost lines, old keys, refusals by number', async (t) => {
  const frame = renderFrame(ORIGIN, readingAt(1, [
    'portcullis_connections{worker="1"} 12000', 'portcullis_connections{worker="2"} 3', 'portcullis_redis_up{worker="1"} 0', 'portcullis_redis_up{worker="2"} 1',
    'portcullis_event_loop_late 1', 'portcullis_audit_dropped_total 7', 'portcullis_jwks_age_seconds{issuer="kc",worker="1"} 20', 'portcullis_jwks_age_seconds{issuer="kc",worker="2"} 950.4',
    'portcullis_refusals_total{reason="forbidden"} 2', 'portcullis_refusals_total{reason="invalid_token"} 12', 'portcullis_refusals_total{reason="banned"} 0',
    'portcullis_limit_decisions_total{limit="ip",decision="refused"} 4', 'portcullis_limit_decisions_total{limit="ip",decision="allowed"} 40'
  ], 'not ready: draining'), null, SCREEN)
  t.match(frame[0], 'not ready: draining')
  t.equal(rowOf(frame, 'Connections'), '12.0k open   (#1 12.0k  #2 3)')
  t.equal(rowOf(frame, 'Redis'), 'DEGRADED in some workers')
  t.match(rowOf(frame, 'Process'), 'LATE')
  t.equal(rowOf(frame, 'Log lines'), '7 lost')
  t.equal(rowOf(frame, 'Issuer keys'), 'kc 950 s')
  t.equal(rowOf(frame, 'Refusals'), 'invalid_token 12   forbidden 2')
  t.equal(rowOf(frame, 'Limits'), 'ip refused 4')
})

t.test('an issuer without keys in any worker is named first', async (t) => {
  const frame = renderFrame(ORIGIN, readingAt(1, [
    'portcullis_jwks_age_seconds{issuer="kc",worker="1"} 20', 'portcullis_issuer_usable{issuer="kc",worker="1"} 1',
    'portcullis_issuer_usable{issuer="sb",worker="1"} 1', 'portcullis_issuer_usable{issuer="sb",worker="2"} 0'
  ]), null, SCREEN)
  t.equal(rowOf(frame, 'Issuer keys'), 'sb NONE   kc 20 s')
})

t.test('whatever the page says, a frame fits its screen and holds nothing that a terminal obeys', async (t) => {
  const hostile = readingAt(1, Array.from({ length: 300 }, (_, n) => `portcullis_refusals_total{reason="\u001b[2J\u009b1m${'x'.repeat(200)}${n}"} ${n}`), 'not ready: \u001b]0;title\u0007')
  for (const screen of [SCREEN, { columns: 20, rows: 5 }, { columns: 1, rows: 1 }]) {
    const frame = renderFrame(ORIGIN, hostile, null, screen)
    t.ok(frame.length <= screen.rows)
    for (const line of frame) {
      t.ok(line.length <= screen.columns)
      t.match(line, /^[\x20-\x7e–≤]*$/)
    }
  }
})

t.test('numbers are short', async (t) => {
  t.same([0, 7, 0.25, 9999, 12_345, 4_560_000].map(formatNumber), ['0', '7', '0.3', '9999', '12.3k', '4.56M'])
})
