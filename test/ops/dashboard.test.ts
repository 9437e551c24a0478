import { readFileSync } from 'node:fs'
import t from 'tap'
import { offenders } from '../support/offenders.js'
import { PROJECT } from '../support/root.js'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly h: number, readonly w: number, readonly x: number, readonly y: number }
  readonly datasource?: { readonly type: string, readonly uid: string }
  readonly targets?: ReadonlyArray<{ readonly refId: string, readonly expr: string, readonly datasource: { readonly uid: string } }>
}
interface Variable { readonly name: string, readonly type: string, readonly query: unknown, readonly datasource?: { readonly uid: string } }
interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly id?: unknown
  readonly schemaVersion: number
  readonly templating: { readonly list: readonly Variable[] }
  readonly panels: readonly Panel[]
}

const DASHBOARD = JSON.parse(readFileSync(new URL('ops/grafana/portcullis.json', PROJECT), 'utf8')) as Dashboard
/** How Grafana writes the variable `datasource`. */
const CHOSEN = '$' + '{datasource}'
const EXPRESSIONS = DASHBOARD.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
/** Of the contract, and what else the gateway counts. */
const METRICS = [
  'portcullis_connections', 'portcullis_upgrades_total', 'portcullis_upgrade_seconds_bucket', 'portcullis_refusals_total', 'portcullis_closes_total',
  'portcullis_messages_total', 'portcullis_limit_decisions_total', 'portcullis_redis_up', 'portcullis_jwks_age_seconds', 'portcullis_jwks_fetches_total',
  'portcullis_recoveries_total', 'portcullis_gaps_total', 'portcullis_history_reads_total', 'portcullis_history_unreadable_total',
  'portcullis_audit_dropped_total', 'portcullis_issuer_usable', 'portcullis_event_loop_late', 'nodejs_eventloop_lag_p99_seconds', 'process_resident_memory_bytes'
]

t.test('the dashboard is what Grafana imports: its own uid, no id of another Grafana, a data source to be chosen', async (t) => {
  t.match(DASHBOARD, { uid: /^[a-z-]{1,40}$/, title: 'Portcullis' })
  t.equal(DASHBOARD.id, undefined)
  t.ok(DASHBOARD.schemaVersion >= 36, 'since then a data source is an object')
  t.match(DASHBOARD.templating.list[0], { name: 'datasource', type: 'datasource', query: 'prometheus' })
  for (const { name, type, datasource } of DASHBOARD.templating.list.slice(1)) {
    t.equal(type, 'query', name)
    t.equal(datasource?.uid, CHOSEN, name)
  }
  for (const { title, type, datasource, targets = [] } of DASHBOARD.panels) {
    t.match(type, /^(row|stat|timeseries)$/, title)
    if (type === 'row') continue
    t.same(datasource, { type: 'prometheus', uid: CHOSEN }, title)
    t.ok(targets.length > 0, title)
    t.same(await offenders(targets, target => target.datasource.uid === CHOSEN), [])
  }
})

t.test('panels have ids and titles of their own, and none covers another', async (t) => {
  const { panels } = DASHBOARD
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  t.equal(new Set(panels.map(({ title }) => title)).size, panels.length)
  const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) => {
    t.ok(x + w <= 24)
    return Array.from({ length: h * w }, (_, n) => `${x + n % w} ${y + Math.floor(n / w)}`)
  })
  t.equal(new Set(cells).size, cells.length)
})

t.test('every metric of the gateway is shown, for the chosen job and hosts', async (t) => {
  t.same(await offenders(METRICS, metric => EXPRESSIONS.some(expr => expr.includes(`${metric}{`))), [])
  for (const expr of EXPRESSIONS) {
    for (const [, selector = ''] of expr.matchAll(/\{([^}]*)\}/g)) t.match(selector, /^job=~"\$job",instance=~"\$instance"/, expr)
  }
})
