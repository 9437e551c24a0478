import t, { type Test } from 'tap'
import { connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { exchange, upgradeHead } from '../support/raw-socket.js'
import { freshMetrics } from '../support/metrics.js'

async function readMetric (gateway: TestGateway, series: string): Promise<number> {
  const text = await freshMetrics(gateway.admin)
  const line = text.split('\n').find(line => line.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1))
}

/** What a piece of work adds to each of these series. */
async function addedBy (gateway: TestGateway, series: readonly string[], work: () => Promise<void>): Promise<number[]> {
  const before = await Promise.all(series.map(async one => await readMetric(gateway, one)))
  await work()
  const after = await Promise.all(series.map(async one => await readMetric(gateway, one)))
  return after.map((value, i) => value - (before[i] ?? NaN))
}

const limitOf = (limit: string, decision: string): string => `portcullis_limit_decisions_total{limit="${limit}",decision="${decision}"}`
const refusalsOf = (reason: string): string => `portcullis_refusals_total{reason="${reason}"}`
const REFUSED_UPGRADES = 'portcullis_upgrades_total{outcome="refused"}'

t.test('requests that are no upgrade are counted and written down, but are no upgrade attempts', async (t) => {
  const gateway = await startGateway(t, { ...trust(await startIssuer(t)), TRUSTED_PROXIES: '127.66.0.0/16' })
  const get = async (t: Test, path: string, more: readonly string[], from: string): Promise<number | undefined> =>
    (await exchange(t, gateway, `GET ${path} HTTP/1.1\r\n${['Host: localhost', ...more].join('\r\n')}\r\n\r\n`, from))?.status
  const series = [refusalsOf('not_found'), refusalsOf('upgrade_required'), refusalsOf('bad_request'), REFUSED_UPGRADES]

  await t.test('a path that is not there, a plain GET on a WebSocket path', async (t) => {
    const from = freshAddress()
    const added = await addedBy(gateway, series, async () => {
      t.equal(await get(t, '/nowhere?token=hush', [], from), 404)
      t.equal(await get(t, '/ws', [], from), 426)
    })
    t.same(added, [1, 1, 0, 0])
    t.match(await gateway.waitForLog('connection.refused', line => line['ip'] === from && line['reason'] === 'not_found'), { path: '/nowhere', status: 404, level: 'warn' })
    t.match(await gateway.waitForLog('connection.refused', line => line['ip'] === from && line['reason'] === 'upgrade_required'), { path: '/ws', status: 426 })
    t.notMatch(gateway.stdout(), 'hush')
  })

  await t.test('upgrades that reach no connection are attempts: another path, a key that is none', async (t) => {
    const from = freshAddress()
    const added = await addedBy(gateway, series, async () => {
      t.equal((await exchange(t, gateway, upgradeHead('/nowhere'), from))?.status, 404)
      t.equal((await exchange(t, gateway, upgradeHead('/ws', { 'Sec-WebSocket-Key': 'short' }), from))?.status, 400)
    })
    t.same(added, [1, 0, 1, 2])
    await gateway.waitForLog('connection.refused', line => line['ip'] === from && line['reason'] === 'bad_request')
  })

  await t.test('behind a proxy the line names the client, and a header that is garbage is 400', async (t) => {
    t.equal(await get(t, '/nowhere', ['X-Forwarded-For: 203.0.113.1', 'X-Forwarded-For: 198.51.100.1'], '127.66.0.1'), 404)
    t.match(await gateway.waitForLog('connection.refused', line => line['ip'] === '198.51.100.1'), { reason: 'not_found' })
    t.equal(await get(t, '/nowhere', ['X-Forwarded-For: garbage'], '127.66.0.1'), 400)
  })

  await t.test('a path that could be a token is not written', async (t) => {
    const from = freshAddress()
    t.equal(await get(t, '/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln', [], from), 404)
    t.equal((await gateway.waitForLog('connection.refused', line => line['ip'] === from))['path'], '/…')
  })
})

t.test('every refusal of the address limit is counted, also those that are known without asking', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_IP_CONNECTIONS: '2' })
  const from = freshAddress()
  const added = await addedBy(gateway, [limitOf('ip', 'allowed'), limitOf('ip', 'refused'), refusalsOf('ip_rate_limited')], async () => {
    for (let i = 0; i < 2; i++) t.equal((await connectRefused(t, gateway, '/ws', { from })).status, 401)
    for (let i = 0; i < 4; i++) t.equal((await connectRefused(t, gateway, '/ws', { from })).status, 429)
  })
  t.same(added, [2, 4, 4])
})
