import { readPublishScript } from '../../dist/cli/publish-script.js'
import { readHistorySettings } from '../../dist/config/read-history-settings.js'
import { loadHistoryScript } from '../../dist/history/publish-script.js'
import { requireOpenFiles } from '../measure/memory.js'
import { makeRow } from '../measure/rounds.js'
import { createScope } from '../measure/scope.js'
import { median } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { startGateway, UNLIMITED } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = '10,000 clients back on one topic after their process was restarted, each 10 events behind: until the last has them all'
const CLIENTS = 10_000
const PER_USER = 5
const LOADS = 2
/** Handshakes at once, of each load. */
const IN_FLIGHT = 128
const KEPT = 200
const MISSED = 10
const DATA = JSON.stringify({ text: 'x'.repeat(100) })
const TOPIC = 'agent:a1'
const TARGET_MS = 2000
const TIMEOUT_MS = 120_000

export async function run (scope, { rounds, progress }) {
  requireOpenFiles(CLIENTS)
  const issuer = await startIssuer(scope)
  const redis = await startRedis(scope)
  const since = await publishHistory(redis)
  const tokens = Array.from({ length: CLIENTS / PER_USER }, (_, n) => issuer.token({ sub: `back-${n}`, agents: ['a1'] }))
  const subscribe = JSON.stringify({ type: 'subscribe', agent_ids: ['a1'], since: { [TOPIC]: since } })
  const calls = await watchCalls(scope, redis)
  const rows = {
    connected: { name: 'connected anew, nothing asked', rounds: [] },
    recovered: { name: 'connected already, all ask at once: recovered', targetMax: TARGET_MS, rounds: [] },
    both: { name: 'connected anew, asking at once: recovered', rounds: [] }
  }
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1} of ${rounds}`)
    await restart(scope, { issuer, redis, calls, tokens }, async ({ measure, ask, connect }) => {
      rows.connected.rounds.push(await measure(async () => await connect({ frames: 1 })))
      rows.recovered.rounds.push(await measure(async () => await ask(() => (
        { op: 'recover', text: subscribe, wanted: [`"recovered":{"${TOPIC}":true}`], events: MISSED }))))
    })
    await restart(scope, { issuer, redis, calls, tokens }, async ({ measure, connect }) => {
      rows.both.rounds.push(await measure(async () => await connect({ frames: 2 + MISSED, send: subscribe })))
    })
  }
  progress('')
  return Object.values(rows).map(({ rounds: seen, ...row }) => makeRow({
    ...row,
    unit: 'ms',
    values: seen.map(({ wallMs }) => wallMs),
    extra: Object.fromEntries(Object.keys(seen[0].extra).map(key => [key, median(seen.map(({ extra }) => extra[key]))]))
  }))
}

/** Publishes what is kept; resolves with the position of who has missed the last of it. */
async function publishHistory ({ client }) {
  const script = readPublishScript({})
  if (!script.ok) throw new Error(script.reason)
  const positions = []
  for (let n = 0; n < KEPT; n++) positions.push(await client.eval(script.text, 1, `ws:history:{ws:topic:${TOPIC}}`, 'message', DATA, ''))
  return positions.at(-1 - MISSED)
}

/** Counts the calls of the scripts that read, as Redis sees them. */
async function watchCalls (scope, { client }) {
  const { history } = readHistorySettings({})
  const names = ['read-heads', 'read-events']
  const counts = Object.fromEntries(names.map(name => [name, 0]))
  const scripts = new Map(names.flatMap((name) => {
    const { text, sha } = loadHistoryScript(name, history)
    return [[sha, name], [text, name]]
  }))
  const monitor = await client.duplicate().monitor()
  scope.onEnd(() => { monitor.disconnect() })
  monitor.on('monitor', (_time, [command, script]) => {
    if (/^eval/i.test(command) && scripts.has(script)) counts[scripts.get(script)]++
  })
  return counts
}

/** A new process of the gateway, and clients that have not come yet. */
async function restart (scope, { issuer, redis, calls, tokens }, work) {
  const own = createScope()
  scope.onEnd(own.end)
  // Connections of the process before count until it is found to be lost.
  const server = await startGateway(own, { issuer, redis, env: { WS_USER_CONNECTIONS: UNLIMITED } })
  const loads = await Promise.all(Array.from({ length: LOADS }, () => startLoad(own, 'connections')))
  const ask = async makeRequest => await Promise.all(loads.map((load, n) => load.ask(makeRequest(n), TIMEOUT_MS)))
  const share = CLIENTS / LOADS
  const connect = async greeting => await ask(n => ({
    op: 'connect',
    port: server.port,
    count: share,
    firstAddress: n * share,
    inFlight: IN_FLIGHT,
    greeting,
    targets: Array.from({ length: share }, (_, k) => `/ws?token=${tokens[Math.floor((n * share + k) / PER_USER)]}`)
  }))
  const measure = async (step) => {
    const [callsBefore, serverBefore, redisBefore, startedAt] = [{ ...calls }, server.cpuUs(), redis.cpuUs(), performance.now()]
    const answers = await step()
    const wallMs = performance.now() - startedAt
    const loadUs = answers.reduce((sum, { cpuUs }) => sum + cpuUs, 0)
    return {
      wallMs,
      extra: {
        'gateway µs each': (server.cpuUs() - serverBefore) / CLIENTS,
        'Redis µs each': (redis.cpuUs() - redisBefore) / CLIENTS,
        'server %': (server.cpuUs() - serverBefore) / wallMs / 10,
        'load %': loadUs / wallMs / 10,
        ...Object.fromEntries(Object.keys(calls).map(name => [name, calls[name] - callsBefore[name]]))
      }
    }
  }
  try {
    await work({ measure, ask, connect })
  } finally {
    await own.end()
  }
}
