import { makeRow } from '../measure/rounds.js'
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
  const values = { connect: { p50: [], p95: [], p99: [] }, answer: { p50: [], p95: [], p99: [] } }
  const shares = { 'server %': [], 'load %': [] }
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1} of ${rounds}`)
    const { connectMs, answerMs, serverShare, loadShare } = await rampOnce(loads, server, issuer)
    for (const [name, waits] of [['connect', connectMs], ['answer', answerMs]]) {
      for (const [mark, list] of Object.entries(values[name])) list.push(quantile(waits, Number(mark.slice(1)) / 100))
    }
    shares['server %'].push(serverShare)
    shares['load %'].push(loadShare)
  }
  progress('')
  const extra = Object.fromEntries(Object.entries(shares).map(([name, list]) => [name, quantile(list, 0.5)]))
  return Object.entries(values).flatMap(([name, marks]) => Object.entries(marks).map(([mark, list]) => makeRow({
    name: `${name === 'connect' ? 'to be connected (welcome)' : 'to be answered'}, ${mark}`,
    unit: 'ms',
    values: list,
    targetMax: mark === 'p99' ? TARGET_P99_MS : null,
    extra
  })))
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
