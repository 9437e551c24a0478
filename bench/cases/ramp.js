import { makeRow } from '../measure/rounds.js'
import { compareLoads } from '../measure/second-load.js'
import { quantile } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { startGateway, UNLIMITED } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = '2,000 clients come within 10 s, each sends 100 messages, one every 100 ms: how long they wait'
const CLIENTS = 2000
const LOADS = 2
const RAMP = { overMs: 10_000, messages: 100, everyMs: 100, text: JSON.stringify({ type: 'ping', id: 'ramp' }) }
const TARGET_P99_MS = 200

export async function run (scope, { rounds, progress }) {
  const issuer = await startIssuer(scope)
  const redis = await startRedis(scope)
  const server = await startGateway(scope, {
    issuer, redis, env: { WS_IP_CONNECTIONS: UNLIMITED, WS_USER_CONNECTIONS: UNLIMITED, WS_IP_MESSAGES: UNLIMITED }
  })
  const loads = await Promise.all(Array.from({ length: LOADS }, () => startLoad(scope, 'ramp')))
  const [one, two] = [createSeries(), createSeries()]
  for (let round = 0; round < rounds; round++) {
    for (const [series, part] of [[one, loads.slice(0, 1)], [two, loads]]) {
      progress(`round ${round + 1} of ${rounds}, clients in ${part.length}`)
      series.add(await rampOnce(part, server, issuer))
    }
  }
  progress('')
  return Object.entries(two.values).map(([name, list]) => makeRow({
    name,
    unit: 'ms',
    values: list,
    targetMax: name.endsWith('p99') ? TARGET_P99_MS : null,
    extra: Object.fromEntries(Object.entries(two.shares).map(([share, seen]) => [share, quantile(seen, 0.5)])),
    note: compareLoads(one.values[name], list, 'ms')
  }))
}

const WAITS = { 'to be connected (welcome)': 'connectMs', 'to be answered': 'answerMs' }
const MARKS = { p50: 0.5, p95: 0.95, p99: 0.99 }

/** What rounds with the same load have shown. */
function createSeries () {
  const values = {}
  const shares = { 'server %': [], 'load %': [] }
  const push = (lists, name, value) => { (lists[name] ??= []).push(value) }
  return {
    values,
    shares,
    add ({ serverShare, loadShare, ...waits }) {
      for (const [name, key] of Object.entries(WAITS)) {
        for (const [mark, part] of Object.entries(MARKS)) push(values, `${name}, ${mark}`, quantile(waits[key], part))
      }
      push(shares, 'server %', serverShare)
      push(shares, 'load %', loadShare)
    }
  }
}

async function rampOnce (loads, server, issuer) {
  const targets = Array.from({ length: CLIENTS }, () => `/ws?token=${issuer.token()}`)
  const share = CLIENTS / loads.length
  const before = server.cpuUs()
  const answers = await Promise.all(loads.map((load, i) => load.ask({
    ...RAMP, port: server.port, targets: targets.slice(i * share, (i + 1) * share), firstAddress: i * share
  })))
  const connectMs = answers.flatMap(answer => answer.connectMs)
  const answerMs = answers.flatMap(answer => answer.answerMs)
  if (answerMs.length !== CLIENTS * RAMP.messages) throw new Error(`${answerMs.length} answers to ${CLIENTS * RAMP.messages} messages`)
  const wallUs = 1000 * Math.max(...answers.map(({ wallMs }) => wallMs))
  const loadUs = Math.max(...answers.map(({ cpuUs }) => cpuUs))
  return { connectMs, answerMs, serverShare: (server.cpuUs() - before) / wallUs * 100, loadShare: loadUs / wallUs * 100 }
}
