import { requireOpenFiles } from '../measure/memory.js'
import { makeRow } from '../measure/rounds.js'
import { median, summarizeRatio } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'Redis CPU, each second, of a connection that is open and says nothing, above that of a gateway without connections; a process and a Redis for each row, all at the same time'
const FEW = 200
const MANY = 5000
/** Leases are renewed in each third of 30 s, and positions compared in each 30 s: so one whole of both. */
const REST_S = 30
const TARGET_US = 0.5

/** `operations`: connections, instead of many; `seconds`: how long a round rests. */
export async function run (scope, { rounds, operations: many = MANY, seconds = REST_S, progress, before }) {
  requireOpenFiles(many)
  const issuer = await startIssuer(scope)
  const sizes = [{ connections: many, perUser: 5 }, { connections: many, perUser: 1 }, { connections: FEW, perUser: 1 }]
  const pairs = []
  for (const size of sizes) {
    progress(`opening ${size.connections} connections`)
    const ours = await open(scope, issuer, size)
    pairs.push({ size, ours, beside: before === undefined ? null : await open(scope, issuer, size, before) })
  }
  const subjects = pairs.flatMap(({ ours, beside }) => beside === null ? [ours] : [ours, beside])
  for (let round = -1; round < rounds; round++) {
    progress(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}, all at the same time`)
    const seen = await Promise.all(subjects.map(async subject => await restOnce(subject, seconds)))
    if (round >= 0) for (const [n, { seen: list }] of subjects.entries()) list.push(seen[n])
  }
  progress('')
  return pairs.flatMap(({ size: { connections, perUser }, ours, beside }) => {
    const label = `${connections} connections, ${perUser} a user`
    const row = (name, subject, more) => makeRow({ name: `${name}, ${label}`, unit: 'µs', values: valuesOf(subject), extra: mediansOf(subject.seen), ...more })
    const ratios = beside === null ? {} : { before: summarizeRatio(valuesOf(ours), valuesOf(beside)) }
    return [
      row('portcullis', ours, { ratios, ...(connections === FEW ? {} : { targetMax: TARGET_US }) }),
      ...(beside === null ? [] : [row('before', beside, { control: 'before' })])
    ]
  })
}

const valuesOf = ({ seen }) => seen.map(({ value }) => value)
const mediansOf = seen => Object.fromEntries(Object.keys(seen[0].extra).map(key => [key, median(seen.map(({ extra }) => extra[key]))]))

async function open (scope, issuer, { connections, perUser }, root) {
  const redis = await startRedis(scope)
  const subject = { connections, redis, server: await startGateway(scope, { issuer, redis, root }), seen: [] }
  const empty = await measureRest(subject, REST_S / 2)
  const load = await startLoad(scope, 'connections')
  const tokens = Array.from({ length: Math.ceil(connections / perUser) }, (_, n) => issuer.token({ sub: `rest-${n}` }))
  const targets = Array.from({ length: connections }, (_, n) => `/ws?token=${tokens[Math.floor(n / perUser)]}`)
  await load.ask({ op: 'connect', port: subject.server.port, targets, count: connections, firstAddress: 0 }, 120_000)
  return { ...subject, empty }
}

async function read ({ redis }) {
  return { redisUs: await redis.usedCpuUs(), calls: (await redis.calls())['script calls'], atMs: performance.now() }
}

/** What is used in a second. */
async function measureRest (subject, seconds) {
  const before = await read(subject)
  await new Promise((resolve) => { setTimeout(resolve, seconds * 1000) })
  const after = await read(subject)
  const eachSecond = key => (after[key] - before[key]) / (after.atMs - before.atMs) * 1000
  return { redisUs: eachSecond('redisUs'), calls: eachSecond('calls') }
}

async function restOnce (subject, seconds) {
  const { redisUs, calls } = await measureRest(subject, seconds)
  return { value: (redisUs - subject.empty.redisUs) / subject.connections, extra: { 'script calls a second': calls } }
}
