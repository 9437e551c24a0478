import { readPublishScript } from '../../dist/cli/publish-script.js'
import { readHistorySettings } from '../../dist/config/read-history-settings.js'
import { loadHistoryScript } from '../../dist/history/publish-script.js'
import { findFreePort } from '../../scripts/free-port.js'
import { requireOpenFiles } from '../measure/memory.js'
import { makeRow } from '../measure/rounds.js'
import { createScope } from '../measure/scope.js'
import { median, summarizeRatio } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { centrifugoClient, startCentrifugo } from '../servers/centrifugo.js'
import { CENTRIFUGO, findCentrifugo } from '../servers/centrifugo-binary.js'
import { startGateway, UNLIMITED } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'
import { untilReady } from '../servers/until-ready.js'

export const title = '10,000 clients back on one topic after their process was restarted, each 10 events behind: until the last has them all'
const CLIENTS = 10_000
const PER_USER = 5
const LOADS = 2
/** Handshakes at once, of each load. */
const IN_FLIGHT = 128
const KEPT = 200
const MISSED = 10
const DATA = { text: 'x'.repeat(100) }
const TOPIC = 'agent:a1'
const CHANNEL = 'kept:a1'
const TARGET_MS = 2000
const TIMEOUT_MS = 120_000

const KINDS = {
  connected: { name: 'connected anew, nothing asked' },
  recovered: { name: 'connected already, all ask at once: recovered', targetMax: TARGET_MS },
  both: { name: 'connected anew, asking at once: recovered' }
}

export async function run (scope, { rounds, short, progress, operations: clients = CLIENTS }) {
  requireOpenFiles(clients)
  const issuer = await startIssuer(scope)
  const ours = await prepareOurs(scope, issuer, clients)
  const other = short || findCentrifugo() === null ? null : await prepareOther(scope, issuer, clients)
  const subjects = [ours, ...(other === null ? [] : [other])]
  const seen = new Map(subjects.map(subject => [subject, { connected: [], recovered: [], both: [] }]))
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      progress(`round ${round + 1} of ${rounds}: ${subject.name}`)
      await measureOnce(scope, subject, clients, seen.get(subject))
    }
  }
  progress('')
  const valuesOf = (subject, kind) => seen.get(subject)[kind].map(({ wallMs }) => wallMs)
  return subjects.flatMap(subject => Object.entries(KINDS).map(([kind, { name, targetMax }]) => makeRow({
    name: `${subject.name}, ${name}`,
    ...(subject === ours ? { targetMax, targetRatios: other === null ? {} : { [CENTRIFUGO]: 1 } } : { control: CENTRIFUGO }),
    unit: 'ms',
    values: valuesOf(subject, kind),
    ratios: subject === other || other === null ? {} : { [CENTRIFUGO]: summarizeRatio(valuesOf(subject, kind), valuesOf(other, kind)) },
    extra: medians(seen.get(subject)[kind].map(({ extra }) => extra))
  })))
}

const medians = extras => Object.fromEntries(Object.keys(extras[0]).map(key => [key, median(extras.map(extra => extra[key]))]))
const tokensFor = (clients, make) => {
  const tokens = Array.from({ length: Math.ceil(clients / PER_USER) }, (_, n) => make(`back-${n}`))
  return Array.from({ length: clients }, (_, n) => tokens[Math.floor(n / PER_USER)])
}

/** The gateway, whose history is in Redis, and what its clients say. */
async function prepareOurs (scope, issuer, clients) {
  const redis = await startRedis(scope)
  const since = await publishHistory(redis)
  const calls = await watchCalls(scope, redis)
  const targets = tokensFor(clients, sub => `/ws?token=${issuer.token({ sub, agents: ['a1'] })}`)
  return {
    name: 'portcullis',
    redis,
    calls,
    start: async own => await startWarm(own, { issuer, redis }),
    clientsOf: (from, to) => ({ targets: targets.slice(from, to) }),
    subscribe: JSON.stringify({ type: 'subscribe', agent_ids: ['a1'], since: { [TOPIC]: since } }),
    answer: { wanted: [`"recovered":{"${TOPIC}":true}`], events: MISSED }
  }
}

/** As it is restarted where it serves: clients are sent to it once it is ready. */
async function startWarm (scope, { issuer, redis }) {
  const adminPort = await findFreePort()
  // Connections of the process before count until it is found to be lost.
  const env = { WS_USER_CONNECTIONS: UNLIMITED, WS_IP_CONNECTIONS: UNLIMITED, WS_WARM_UP: 'true', ADMIN_PORT: String(adminPort) }
  const server = await startGateway(scope, { issuer, redis, env })
  await untilReady(adminPort)
  return server
}

/** Centrifugo with its history in Redis: the events that were missed come in the answer itself. */
async function prepareOther (scope, issuer, clients) {
  const redis = await startRedis(scope)
  const own = createScope()
  const server = await startCentrifugo(own, { issuer, redis })
  const published = await server.publish(CHANNEL, DATA, KEPT)
  await own.end()
  const { epoch, offset } = published.at(-1 - MISSED)
  const hellos = tokensFor(clients, sub => centrifugoClient.hello(issuer.token({ sub })))
  return {
    name: `${CENTRIFUGO}, Redis`,
    redis,
    calls: {},
    start: async scopeOfRound => await startCentrifugo(scopeOfRound, { issuer, redis }),
    clientsOf: (from, to) => ({ targets: [centrifugoClient.target], hellos: hellos.slice(from, to), lines: true }),
    subscribe: JSON.stringify({ id: 2, subscribe: { channel: CHANNEL, recover: true, epoch, offset } }),
    answer: { wanted: ['"recovered":true', `"offset":${offset + 1}}`, `"offset":${offset + MISSED}}`], events: 0 }
  }
}

/** Publishes what is kept; resolves with the position of who has missed the last of it. */
async function publishHistory ({ client }) {
  const script = readPublishScript({})
  if (!script.ok) throw new Error(script.reason)
  const positions = []
  for (let n = 0; n < KEPT; n++) {
    positions.push(await client.eval(script.text, 1, `ws:history:{ws:topic:${TOPIC}}`, 'message', JSON.stringify(DATA), ''))
  }
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
  const base = client.duplicate()
  const monitor = await base.monitor()
  scope.onEnd(() => {
    monitor.disconnect()
    base.disconnect()
  })
  monitor.on('monitor', (_time, [command, script]) => {
    if (/^eval/i.test(command) && scripts.has(script)) counts[scripts.get(script)]++
  })
  return counts
}

/** A new process for each of the two ways to come back; both at once does not connect first. */
async function measureOnce (scope, subject, clients, rows) {
  const { subscribe, answer } = subject
  await restart(scope, subject, clients, async ({ measure, ask, connect }) => {
    rows.connected.push(await measure(async () => await connect({ frames: 1 })))
    rows.recovered.push(await measure(async () => await ask(() => ({ op: 'recover', text: subscribe, ...answer }))))
  })
  await restart(scope, subject, clients, async ({ measure, connect }) => {
    rows.both.push(await measure(async () => await connect({ frames: 2 + answer.events, send: subscribe })))
  })
}

/** A new process, and clients that have not come yet. */
async function restart (scope, { redis, calls, start, clientsOf }, clients, work) {
  const own = createScope()
  scope.onEnd(own.end)
  const server = await start(own)
  const loads = await Promise.all(Array.from({ length: LOADS }, () => startLoad(own, 'connections')))
  const ask = async makeRequest => await Promise.all(loads.map((load, n) => load.ask(makeRequest(n), TIMEOUT_MS)))
  const share = clients / LOADS
  const connect = async greeting => await ask(n => ({
    op: 'connect',
    port: server.port,
    count: share,
    firstAddress: n * share,
    inFlight: IN_FLIGHT,
    greeting,
    ...clientsOf(n * share, (n + 1) * share)
  }))
  const measure = async (step) => {
    const [callsBefore, serverBefore, redisBefore, startedAt] = [{ ...calls }, server.cpuUs(), redis.cpuUs(), performance.now()]
    const answers = await step()
    const wallMs = performance.now() - startedAt
    const loadUs = answers.reduce((sum, { cpuUs }) => sum + cpuUs, 0)
    return {
      wallMs,
      extra: {
        'server µs each': (server.cpuUs() - serverBefore) / clients,
        'Redis µs each': (redis.cpuUs() - redisBefore) / clients,
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
