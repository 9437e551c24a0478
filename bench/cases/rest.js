import { requireOpenFiles } from '../measure/memory.js'
import { makeRow } from '../measure/rounds.js'
import { createScope } from '../measure/scope.js'
import { median, summarizeRatio } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'CPU at rest of Redis, each second, of a connection that is open and says nothing: all of a process to one Redis of its own'
const SIZES = [200, 5000]
const PER_USER = 5
/** Leases are renewed in each third of 30 s, and positions compared in each 30 s: so whole ones of both. */
const REST_S = 60

/** `operations`: connections, instead of few and many; `seconds`: how long a round rests. */
export async function run (scope, { rounds, operations, seconds = REST_S, progress, before }) {
  const sizes = operations === undefined ? SIZES : [operations]
  requireOpenFiles(Math.max(...sizes))
  const issuer = await startIssuer(scope)
  const rows = []
  for (const connections of sizes) rows.push(...await measureSize(scope, { issuer, connections, rounds, seconds, progress, before }))
  return rows
}

async function measureSize (scope, { issuer, connections, rounds, seconds, progress, before }) {
  const own = createScope()
  scope.onEnd(own.end)
  progress(`opening ${connections} connections`)
  const ours = await open(own, issuer, connections)
  const beside = before === undefined ? null : await open(own, issuer, connections, before)
  const subjects = [ours, ...(beside === null ? [] : [beside])]
  for (let round = -1; round < rounds; round++) {
    progress(round < 0 ? 'warming up' : `${connections} connections, round ${round + 1} of ${rounds}, all at the same time`)
    const seen = await Promise.all(subjects.map(async subject => await restOnce(subject, seconds)))
    if (round >= 0) for (const [n, { seen: list }] of subjects.entries()) list.push(seen[n])
  }
  progress('')
  await own.end()
  const row = (name, subject, more) => makeRow({
    name: `${name}, ${connections} connections`, unit: 'µs', values: valuesOf(subject), extra: mediansOf(subject.seen), ...more
  })
  const ratios = beside === null ? {} : { before: summarizeRatio(valuesOf(ours), valuesOf(beside)) }
  return [
    row('portcullis', ours, { ratios, targetMax: 0.5 }),
    ...(beside === null ? [] : [row('before', beside, { control: 'before' })])
  ]
}

const valuesOf = ({ seen }) => seen.map(({ value }) => value)
const mediansOf = seen => Object.fromEntries(Object.keys(seen[0].extra).map(key => [key, median(seen.map(({ extra }) => extra[key]))]))

async function open (scope, issuer, connections, root) {
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, root })
  const load = await startLoad(scope, 'connections')
  const tokens = Array.from({ length: Math.ceil(connections / PER_USER) }, (_, n) => issuer.token({ sub: `rest-${n}` }))
  const targets = Array.from({ length: connections }, (_, n) => `/ws?token=${tokens[Math.floor(n / PER_USER)]}`)
  await load.ask({ op: 'connect', port: server.port, targets, count: connections, firstAddress: 0 }, 120_000)
  return { connections, redis, server, seen: [] }
}

async function read ({ redis, server }) {
  return { redisUs: await redis.usedCpuUs(), serverUs: server.cpuUs(), calls: (await redis.calls())['script calls'], atMs: performance.now() }
}

async function restOnce (subject, seconds) {
  const before = await read(subject)
  await new Promise((resolve) => { setTimeout(resolve, seconds * 1000) })
  const after = await read(subject)
  const eachSecond = key => (after[key] - before[key]) / (after.atMs - before.atMs) * 1000
  return {
    value: eachSecond('redisUs') / subject.connections,
    extra: { 'server µs': eachSecond('serverUs') / subject.connections, 'script calls a second': eachSecond('calls') }
  }
}
