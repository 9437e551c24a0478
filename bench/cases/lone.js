import { makeRow } from '../measure/rounds.js'
import { median, summarizeRatio } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { startBare } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU per lone message that is answered: connections that each send one every three to ten seconds, in a window of a minute'
const CONNECTIONS = 2000
const MINUTE_S = 60
const PAUSES_S = { least: 3, most: 10 }
/** For this share of the time nobody sends: what an open connection costs is taken off. */
const REST_SHARE = 0.5
const FRAME = JSON.stringify({ type: 'ping', id: 'lone' })

/** With `seconds` below 60 the window and the pauses are shorter, in proportion; what a grant lasts is not. */
export async function run (scope, { rounds, operations: connections = CONNECTIONS, seconds = MINUTE_S, progress, before }) {
  const issuer = await startIssuer(scope)
  const targets = Array.from({ length: connections }, (_, n) => `/ws?token=${issuer.token({ sub: `lone-${n}` })}`)
  const env = { WS_MESSAGE_WINDOW_S: String(seconds) }
  const start = async (name, server, redis) => {
    const load = await startLoad(scope, 'connections')
    progress(`opening connections: ${name}`)
    await load.ask({ op: 'connect', port: server.port, targets, count: connections, firstAddress: 0 })
    return { name, server, redis, load, seen: [] }
  }
  const startOurs = async (name, root) => {
    const redis = await startRedis(scope)
    return await start(name, await startGateway(scope, { issuer, redis, env, root }), redis)
  }
  const bare = await start('bare uWebSockets.js, echo', await startBare(scope), null)
  const ours = await startOurs('portcullis')
  const beside = before === undefined ? null : await startOurs('before', before)
  const subjects = [bare, ours, ...(beside === null ? [] : [beside])]
  for (let round = -1; round < rounds; round++) {
    progress(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}, all at the same time`)
    const seen = await Promise.all(subjects.map(async subject => await measureOnce(subject, seconds * 1000)))
    if (round >= 0) for (const [n, { seen: list }] of subjects.entries()) list.push(seen[n])
  }
  progress('')
  const valuesOf = ({ seen }) => seen.map(({ value }) => value)
  const row = (subject, controls, more) => makeRow({
    name: subject.name,
    unit: 'µs',
    values: valuesOf(subject),
    ratios: Object.fromEntries(controls.filter(([, control]) => control !== null).map(([key, control]) =>
      [key, summarizeRatio(valuesOf(subject), valuesOf(control))])),
    extra: mediansOf(subject.seen),
    ...more
  })
  return [
    row(bare, [], { control: 'floor' }),
    row(ours, [['floor', bare], ['before', beside]], { targetExtras: { 'script calls': 0.3 } }),
    ...(beside === null ? [] : [row(beside, [['floor', bare]], { control: 'before' })])
  ]
}

const mediansOf = seen => Object.fromEntries(Object.keys(seen[0].extra).map(key => [key, median(seen.map(({ extra }) => extra[key]))]))

async function read ({ server, redis }) {
  const [serverUs, redisUs] = [server.cpuUs(), redis?.cpuUs() ?? 0]
  return { serverUs, redisUs, calls: redis === null ? 0 : (await redis.calls())['script calls'] }
}

async function measureOnce (subject, forMs) {
  const first = await read(subject)
  await new Promise((resolve) => { setTimeout(resolve, forMs * REST_SHARE) })
  const rested = await read(subject)
  const { sent } = await subject.load.ask({
    op: 'sendNowAndThen', text: FRAME, forMs, leastMs: forMs * PAUSES_S.least / MINUTE_S, mostMs: forMs * PAUSES_S.most / MINUTE_S
  }, 2 * forMs + 10_000)
  const last = await read(subject)
  const each = key => ((last[key] - rested[key]) - (rested[key] - first[key]) / REST_SHARE) / sent
  return {
    value: each('serverUs'),
    extra: { ...(subject.redis === null ? {} : { 'Redis µs': each('redisUs'), 'script calls': each('calls') }), messages: sent }
  }
}
