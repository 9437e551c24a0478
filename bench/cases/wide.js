import { fileURLToPath } from 'node:url'
import { readCpuUs } from '../measure/cpu.js'
import { COLLECTING, requireOpenFiles } from '../measure/memory.js'
import { runRounds } from '../measure/rounds.js'
import { createScope } from '../measure/scope.js'
import { measureWide } from '../measure/wide-subject.js'
import { centrifugoClient, startCentrifugo } from '../servers/centrifugo.js'
import { CENTRIFUGO, findCentrifugo } from '../servers/centrifugo-binary.js'
import { startScript } from '../servers/child.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = '50,000 connections in four processes, from four load processes: memory of each, CPU at rest, and one event of 512 bytes to all'
const CONNECTIONS = 50_000
/** A process may hold 20,000 files open on many hosts: so many processes hold all, on either side. */
const PROCESSES = 4
const PER_USER = 5
const REST_S = 20
const DATA = 'x'.repeat(512)
const CHANNEL = 'ws:topic:agent:a1'
const PLAIN = JSON.stringify({ event: 'bench', data: DATA })
/** As many bytes as the gateway delivers of it, which are more than what is published. */
const BARE_LENGTH = 605

const ABOVE_BARE_KB = 4.5

/** Each figure of a round, its unit, and what ours is to reach. */
const FIGURES = {
  memoryKb: { name: 'memory of a connection', unit: 'KB', targets: { targetRatios: { [CENTRIFUGO]: 1 } } },
  restUs: { name: 'CPU at rest of a connection, each second', unit: 'µs', targets: { targetExtras: { 'Redis µs': 0.5 }, targetRatios: { [CENTRIFUGO]: 1 } } },
  deliveryUs: { name: 'one delivery of an event to all', unit: 'µs', targets: { targetRatios: { floor: 1.3, [CENTRIFUGO]: 1 } } },
  lastMs: { name: 'until the last has the event', unit: 'ms', targets: { targetRatios: { floor: 1.3, [CENTRIFUGO]: 1 } } }
}

/** `operations`: connections; `seconds`: how long they are at rest. */
export async function run (scope, { rounds, operations: connections = CONNECTIONS, seconds = REST_S, short, progress, before }) {
  requireOpenFiles(1.2 * connections / PROCESSES)
  const issuer = await startIssuer(scope)
  progress('signing tokens')
  const tokens = Array.from({ length: Math.ceil(connections / PER_USER) }, (_, n) =>
    issuer.token({ sub: `wide-${n}`, agents: ['a1'], channels: ['a1', `wide-${n}`] }))
  const clients = Array.from({ length: connections }, (_, n) => tokens[Math.floor(n / PER_USER)])
  const servers = [
    { name: 'bare uWebSockets.js', control: 'floor', start: startBare },
    { name: 'portcullis, authenticated, leased, 2 topics', isOurs: true, start: async own => await startOurs(own, issuer) },
    ...(before === undefined ? [] : [{ name: 'before', control: 'before', start: async own => await startOurs(own, issuer, before) }]),
    ...(short || findCentrifugo() === null
      ? []
      : [{ name: `${CENTRIFUGO}, Redis, authenticated, 2 channels`, control: CENTRIFUGO, start: async own => await startOthers(own, issuer) }])
  ]
  const measured = servers.map(server => measureOnceARound(scope, server, { clients, seconds, progress }))
  const rows = []
  for (const [figure, { name, unit, targets }] of Object.entries(FIGURES)) {
    const subjects = servers.map(({ name: server, control, isOurs = false }, n) => ({
      name: `${server}: ${name}`,
      control,
      ...(isOurs ? targets : {}),
      measure: async (round) => {
        const { [figure]: value, extras } = await measured[n](round)
        return { value, extra: extras[figure] }
      }
    }))
    rows.push(...await runRounds(subjects, { rounds, unit, progress }))
  }
  const floor = rows[0].median
  return rows.map(row => row.name === `${servers[1].name}: ${FIGURES.memoryKb.name}` ? { ...row, targetMax: ABOVE_BARE_KB + floor } : row)
}

/** All figures of a round come from the same connections: who asks first has them measured. */
function measureOnceARound (scope, { name, start }, settings) {
  const rounds = []
  return async (round) => {
    rounds[round] ??= await (async () => {
      settings.progress(`round ${round + 1}: ${name}`)
      const own = createScope()
      scope.onEnd(own.end)
      try {
        return await measureWide(own, await start(own), settings)
      } finally {
        await own.end()
      }
    })()
    return rounds[round]
  }
}

const sumOf = servers => () => servers.flatMap(({ pids, pid }) => pids ?? [pid]).reduce((sum, pid) => sum + readCpuUs(pid), 0)
const range = count => Array.from({ length: count }, (_, n) => n)

async function startBare (scope) {
  const children = await Promise.all(range(PROCESSES).map(async () =>
    await startScript(fileURLToPath(new URL('../servers/bare-fanout.js', import.meta.url)), {}, COLLECTING)))
  for (const { stop } of children) scope.onEnd(stop)
  const text = 'x'.repeat(BARE_LENGTH)
  return {
    pids: children.map(({ pid }) => pid),
    ports: children.map(({ ready }) => ready.port),
    cpuUs: sumOf(children),
    redis: null,
    open: { greeting: { frames: 2 } },
    clientsOf: () => ({ targets: ['/ws'] }),
    publish: async () => { await Promise.all(children.map(child => child.ask({ text, times: 1 }))) }
  }
}

async function startOurs (scope, issuer, root) {
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, root, workers: PROCESSES, execArgv: COLLECTING })
  return {
    ...server,
    ports: range(PROCESSES).map(() => server.port),
    redis,
    open: { greeting: { frames: 2 } },
    clientsOf: tokens => ({ targets: tokens.map(token => `/ws?agent_ids=a1&token=${token}`) }),
    publish: async () => { await redis.client.publish(CHANNEL, PLAIN) }
  }
}

/** As many nodes of Centrifugo, which Redis makes one. */
async function startOthers (scope, issuer) {
  const redis = await startRedis(scope)
  const nodes = []
  while (nodes.length < PROCESSES) nodes.push(await startCentrifugo(scope, { issuer, redis }))
  return {
    pids: nodes.map(({ pid }) => pid),
    ports: nodes.map(({ port }) => port),
    cpuUs: sumOf(nodes),
    collectGarbage: async () => { for (const node of nodes) await node.collectGarbage() },
    redis,
    open: { lines: true, greeting: { frames: 1 } },
    clientsOf: tokens => ({ targets: [centrifugoClient.target], hellos: tokens.map(token => centrifugoClient.hello(token)) }),
    publish: async () => { await nodes[0].publish('a1', DATA) }
  }
}
