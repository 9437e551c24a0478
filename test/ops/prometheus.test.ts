import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { parseMetrics } from '../../src/cli/top/parse-metrics.js'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { startRedis } from '../support/redis.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { freshMetrics } from '../support/metrics.js'

const run = promisify(execFile)
const path = (relative: string): string => fileURLToPath(new URL(relative, PROJECT))
const findProgram = async (name: string): Promise<string> => (await run(process.execPath, [path('scripts/ensure-server.js'), name])).stdout.trim()
const workerOf = (node: unknown): string => String(node).split('-').at(-2) ?? ''

interface Rule { readonly name: string, readonly query: string, readonly health: string }
interface Answer { readonly status: string, readonly error?: string, readonly data: Readonly<Record<string, unknown>> }

/** A Prometheus that scrapes one gateway each second, with the rules. */
async function startPrometheus (t: Test, adminPort: number): Promise<(path: string) => Promise<Answer>> {
  const [program, port, folder] = await Promise.all([findProgram('prometheus'), findFreePort(), mkdtemp(join(tmpdir(), 'portcullis-prometheus-'))])
  const file = join(folder, 'prometheus.yml')
  await writeFile(file, JSON.stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [path('ops/prometheus/alerts.yml')],
    scrape_configs: [{ job_name: 'portcullis', static_configs: [{ targets: [`127.0.0.1:${adminPort}`] }] }]
  }))
  const child = spawn(program, [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  const ask = async (path: string): Promise<Answer> => await (await fetch(`http://127.0.0.1:${port}${path}`)).json() as Answer
  await until('Prometheus is ready', async () => await fetch(`http://127.0.0.1:${port}/-/ready`).then(({ status }) => status === 200, () => false))
  return ask
}

async function startFleet (t: Test): Promise<{ gateway: TestGateway, token: string }> {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  const raised = { WS_USER_CONNECTIONS: '1000', WS_IP_CONNECTIONS: '100000' }
  const asked = { JWT_INTROSPECTION_URI: issuer.introspectionUri, JWT_INTROSPECTION_CLIENT_ID: 'portcullis', JWT_INTROSPECTION_CLIENT_SECRET: 'a-secret' }
  const gateway = await startGateway(t, { ...trust(issuer), ...asked, ...raised, REDIS_URL: redis.url, WORKERS: '2', PORT: String(port), NODE_ID: 'host' })
  await gateway.waitForLog('supervisor.started')
  for (const worker of ['1', '2']) await gateway.waitForLog('jwks.refreshed', line => workerOf(line['node']) === worker)
  return { gateway, token: issuer.sign({ sub: 'alice' }) }
}

const scrape = async (gateway: TestGateway): Promise<string> => await freshMetrics(gateway.admin)

type Numbers = Record<string, number>

/** The values of a metric that has these labels, summed for each worker. */
async function sumPerWorker (gateway: TestGateway, name: string, labels: Readonly<Record<string, string>> = {}): Promise<Numbers> {
  const sums: Numbers = {}
  for (const sample of parseMetrics(await scrape(gateway))) {
    const worker = sample.labels['worker'] ?? 'none'
    const wanted = sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
    if (wanted) sums[worker] = (sums[worker] ?? 0) + sample.value
  }
  return sums
}

const promtoolPath = await findProgram('promtool')

t.test('a fleet of two workers, as Prometheus sees it', async (t) => {
  const { gateway, token } = await startFleet(t)
  const page = await scrape(gateway)
  const names = new Set(parseMetrics(page).map(({ name }) => name))

  await t.test('promtool finds no fault with a metric of ours', async (t) => {
    const lint = run(promtoolPath, ['check', 'metrics'])
    lint.child.stdin?.end(page)
    const { stdout, stderr } = await lint.catch((error: unknown) => error as { stdout: string, stderr: string })
    const output = stdout + stderr
    t.same(output.split('\n').filter(line => !/^nodejs_active_\w+_total non-counter metrics should not have "_total" suffix$/.test(line) && line !== ''), [])
  })

  await t.test('what each worker counted adds up to what happened', async (t) => {
    const sockets = await Promise.all(Array.from({ length: 12 }, async () => await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })))
    for (const socket of sockets) await socket.nextOf('welcome')
    for (let n = 0; n < 5; n++) t.equal((await connectRefused(t, gateway, '/ws?token=none', { from: freshAddress() })).status, 401)
    const accepted = await sumPerWorker(gateway, 'portcullis_upgrades_total', { outcome: 'accepted' })
    t.same(Object.keys(accepted).sort(), ['1', '2'])
    t.equal((accepted['1'] ?? 0) + (accepted['2'] ?? 0), 12)
    const refused = await sumPerWorker(gateway, 'portcullis_refusals_total', { reason: 'invalid_token' })
    t.equal((refused['1'] ?? 0) + (refused['2'] ?? 0), 5)
    const open = await sumPerWorker(gateway, 'portcullis_connections')
    t.equal((open['1'] ?? 0) + (open['2'] ?? 0), 12)
  })

  await t.test('every metric that the dashboard, the alerts and the operations page name is there, and every query can be asked', async (t) => {
    const ask = await startPrometheus(t, gateway.adminPort)
    await until('a second scrape', async () => Number(((await ask('/api/v1/query?query=count_over_time(up[1m])')).data['result'] as Array<{ value: [number, string] }>)[0]?.value[1] ?? 0) >= 2)
    const groups = (await ask('/api/v1/rules')).data['groups'] as Array<{ rules: Rule[] }>
    const rules = groups.flatMap(group => group.rules)
    const dashboard = JSON.parse(await readFile(path('ops/grafana/portcullis.json'), 'utf8')) as { panels: Array<{ targets?: Array<{ expr: string }> }> }
    const queries = [...rules.map(({ query }) => query), ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))]
    t.ok(rules.length > 8)
    t.ok(queries.length > 30)
    const named = [...queries, await readFile(path('docs/OPERATIONS.md'), 'utf8')].flatMap(text => text.match(/\b(portcullis|process|nodejs)_[a-z0-9_]+\b/g) ?? [])
    const isThere = (name: string): boolean => names.has(name) || names.has(`${name}_bucket`)
    t.same(await offenders(new Set(named.filter(name => !name.endsWith('_'))), name => isThere(name)), [])
    for (const query of queries) {
      const concrete = query.replaceAll('$__rate_interval', '1m').replaceAll('$job', '.*').replaceAll('$instance', '.*')
      const { status, error } = await ask(`/api/v1/query?query=${encodeURIComponent(concrete)}`)
      t.equal(status, 'success', `${concrete} ${error ?? ''}`)
    }
    await until('every rule was evaluated', async () => ((await ask('/api/v1/rules')).data['groups'] as Array<{ rules: Rule[] }>).every(group => group.rules.every(({ health }) => health === 'ok')))
    const firing = (await ask('/api/v1/alerts')).data['alerts'] as Array<{ state: string }>
    t.same(firing.filter(({ state }) => state === 'firing'), [], 'nothing fires while all is well')
  })

  await t.test('a worker that starts again counts from 0, and what the other has counted stays', async (t) => {
    const before = await sumPerWorker(gateway, 'portcullis_upgrades_total')
    const startedAt = await sumPerWorker(gateway, 'process_start_time_seconds')
    const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(gateway.pid)])
    const pids = stdout.trim().split('\n').map(Number)
    const environments = await Promise.all(pids.map(async pid => await readFile(`/proc/${pid}/environ`, 'utf8')))
    const victim = pids[environments.findIndex(text => text.split('\0').includes('PORTCULLIS_WORKER=1'))]
    t.ok(victim)
    process.kill(victim ?? NaN, 'SIGKILL')
    await gateway.waitForLog('worker.exited', line => line['worker'] === 1)
    // A page is shared for a second: the one of before may be told until then.
    const isNew = async (): Promise<boolean> => ((await sumPerWorker(gateway, 'process_start_time_seconds'))['1'] ?? 0) > (startedAt['1'] ?? 0)
    await until('it is back', isNew)
    const after = await sumPerWorker(gateway, 'portcullis_upgrades_total')
    t.equal(after['1'], 0)
    t.equal(after['2'], before['2'])
    const restartedAt = await sumPerWorker(gateway, 'process_start_time_seconds')
    t.ok((restartedAt['1'] ?? 0) > (startedAt['1'] ?? 0))
    t.equal(restartedAt['2'], startedAt['2'])
  })
})
