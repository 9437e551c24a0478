import { makeRow } from '../measure/rounds.js'
import { requireOpenFiles } from '../measure/memory.js'
import { createScope } from '../measure/scope.js'
import { compareLoads } from '../measure/second-load.js'
import { median, quantile } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = '10,000 connections held, 10,000 deliveries a second (1,000 publishes to 10 subscribers each): delay from publish to receipt'
const CONNECTIONS = 10_000
const TOPICS = 1000
const SUBSCRIBERS = CONNECTIONS / TOPICS
const PUBLISHES_PER_S = 1000
const ROUND_MS = 5000
const SLICE_MS = 10
const LOADS = 2
const PER_USER = 5
const MARKS = { p50: 0.5, p95: 0.95, p99: 0.99, max: 1 }
const TARGETS_MS = { p95: 100, p99: 200 }
/** What has not come by then, after the last publish, is lost. */
const LATEST_MS = 10_000

export async function run (scope, { rounds, progress }) {
  requireOpenFiles(CONNECTIONS)
  const issuer = await startIssuer(scope)
  // One after the other: both sets of connections at once would be more than a process may hold.
  const { values: byOne } = await holdAll(scope, issuer, 1, { rounds, progress })
  const { values, extra } = await holdAll(scope, issuer, LOADS, { rounds, progress })
  return Object.entries(values).map(([mark, list]) => makeRow({
    name: mark, unit: 'ms', values: list, targetMax: TARGETS_MS[mark] ?? null, extra, note: compareLoads(byOne[mark], list, 'ms')
  }))
}

async function holdAll (scope, issuer, loadCount, settings) {
  const own = createScope()
  scope.onEnd(own.end)
  const redis = await startRedis(own)
  const server = await startGateway(own, { issuer, redis })
  const loads = await Promise.all(Array.from({ length: loadCount }, () => startLoad(own, 'connections')))
  settings.progress(`opening 10,000 connections from ${loadCount}`)
  await openAll(loads, server, issuer)
  const seen = await holdRounds(loads, server, redis, settings)
  await own.end()
  return seen
}

async function holdRounds (loads, server, redis, { rounds, progress }) {
  const values = Object.fromEntries(Object.keys(MARKS).map(mark => [mark, []]))
  const extras = { 'server %': [], 'load %': [], lost: [] }
  for (let round = -1; round < rounds; round++) {
    progress(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`)
    const { delaysMs, extra } = await holdOnce(loads, server, redis)
    if (round < 0) continue
    for (const [mark, list] of Object.entries(values)) list.push(quantile(delaysMs, MARKS[mark]))
    for (const [name, list] of Object.entries(extras)) list.push(extra[name])
  }
  progress('')
  const lost = extras.lost.reduce((total, each) => total + each, 0)
  return { values, extra: { 'server %': median(extras['server %']), 'load %': median(extras['load %']), lost } }
}

async function openAll (loads, server, issuer) {
  const tokens = Array.from({ length: CONNECTIONS / PER_USER }, (_, n) => issuer.token({ sub: `hold-${n}`, agents: '*' }))
  const share = CONNECTIONS / loads.length
  await Promise.all(loads.map(async (load, i) => {
    const targets = Array.from({ length: share }, (_, k) => {
      const n = i * share + k
      return `/ws?agent_ids=a${n % TOPICS}&token=${tokens[Math.floor(n / PER_USER)]}`
    })
    await load.ask({ op: 'connect', port: server.port, targets, count: share, firstAddress: i * share, greeting: { frames: 2 }, timed: true })
  }))
}

async function holdOnce (loads, server, redis) {
  const ask = async request => await Promise.all(loads.map(load => load.ask(request)))
  const marks = await ask({ op: 'mark' })
  const [serverBefore, loadsBefore, startedAt] = [server.cpuUs(), loads.map(load => load.cpuUs()), performance.now()]
  const published = await publishSteadily(redis.client)
  const wallUs = (performance.now() - startedAt) * 1000
  const serverShare = (server.cpuUs() - serverBefore) / wallUs * 100
  const loadShare = Math.max(...loads.map((load, i) => (load.cpuUs() - loadsBefore[i]) / wallUs * 100))
  const expected = published * SUBSCRIBERS / loads.length
  await Promise.all(loads.map((load, i) => load.ask({ op: 'until', count: marks[i].frames + expected, withinMs: LATEST_MS })))
  const received = (await ask({ op: 'takeLatencies' })).flatMap(({ latenciesUs }) => latenciesUs)
  const delaysMs = received.map(us => us / 1000)
  return { delaysMs, extra: { 'server %': serverShare, 'load %': loadShare, lost: published * SUBSCRIBERS - received.length } }
}

/** Publishes what is due by the clock, a slice at a time; who is late catches up, and its delay counts. */
async function publishSteadily (client) {
  const total = PUBLISHES_PER_S * ROUND_MS / 1000
  const startedAt = performance.now()
  let sent = 0
  while (sent < total) {
    const due = Math.min(total, Math.floor((performance.now() - startedAt) / 1000 * PUBLISHES_PER_S))
    const pipeline = client.pipeline()
    for (; sent < due; sent++) {
      const t = String(process.hrtime.bigint() / 1000n).padStart(16, '0')
      pipeline.publish(`ws:topic:agent:a${sent % TOPICS}`, JSON.stringify({ event: 'bench', data: { t } }))
    }
    await pipeline.exec()
    await new Promise((resolve) => { setTimeout(resolve, SLICE_MS) })
  }
  return total
}
