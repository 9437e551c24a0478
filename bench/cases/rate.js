import { findOpeningRate, LIMIT_MS, openAt } from '../measure/opening-rate.js'
import { makeRow } from '../measure/rounds.js'
import { compareLoads } from '../measure/second-load.js'
import { median, summarizeRatio } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = `open loop, known tokens of 8,000 users and tokens never seen: the opening rate at which p99 passes ${LIMIT_MS} ms, and what comes of twice that rate`
const USERS = 8000
/** Most connections of one user at once are those that still wait. */
const ENV = { WS_IP_WINDOW_S: '3600', WS_USER_CONNECTIONS: '1000' }
/** So few tokens are remembered that each of the users' is new again when its turn comes. */
const FORGETFUL = { JWT_CACHE_SIZE: '1000' }
const MOST_ACCEPTED_MS = 100
const LOADS = 2
const WARM_UP = 10_000
const WARM_UP_BATCHES = 4

export async function run (scope, { rounds, operations, progress, before }) {
  const issuer = await startIssuer(scope)
  progress('signing tokens')
  const targets = Array.from({ length: USERS }, (_, n) => `/ws?token=${issuer.token({ sub: `rate-${n}` })}`)
  const loads = await Promise.all(Array.from({ length: LOADS }, () => startLoad(scope, 'open-loop')))
  const stepMs = operations
  const start = async (name, env, root) => {
    const redis = await startRedis(scope)
    return { name, redis, server: await startGateway(scope, { issuer, redis, root, env: { ...ENV, ...env } }), targets, stepMs }
  }
  const listKinds = async (name, root) => [await start(`${name}, known token`, {}, root), await start(`${name}, fresh token`, FORGETFUL, root)]
  const [ours, others] = [await listKinds('portcullis'), before === undefined ? [] : await listKinds('before', before)]
  const subjects = [...ours, ...others]
  await warmUp(scope, subjects, progress)
  const seen = new Map(subjects.map(subject => [subject, { one: [], two: [], twice: [], twiceByTwo: [] }]))
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      progress(`round ${round + 1} of ${rounds}: ${subject.name}`)
      await measureOnce(subject, loads, seen.get(subject))
    }
  }
  progress('')
  return subjects.flatMap((subject) => {
    const [of, isOurs] = [seen.get(subject), ours.includes(subject)]
    const beside = isOurs && others.length > 0 ? seen.get(others[ours.indexOf(subject)]) : null
    return [makeRateRow(subject.name, of, isOurs, beside), makeTwiceRow(subject.name, of, isOurs)]
  })
}

async function warmUp (scope, subjects, progress) {
  const load = await startLoad(scope, 'upgrade')
  for (const { name, server, targets, stepMs } of subjects) {
    progress(`warming up: ${name}`)
    const count = stepMs === undefined ? WARM_UP : stepMs
    for (let batch = 0; batch < WARM_UP_BATCHES; batch++) await load.ask({ port: server.port, targets, count, status: '101', inFlight: 64 })
  }
}

/** Once with one load process, once with two; and twice the rate that the better of them found. */
async function measureOnce (subject, loads, { one, two, twice, twiceByTwo }) {
  const single = { ...subject, loads: loads.slice(0, 1) }
  const double = { ...subject, loads }
  one.push(await findOpeningRate(single, one.at(-1)?.perS ?? null))
  two.push(await findOpeningRate(double, two.at(-1)?.perS ?? one.at(-1).perS))
  const perS = 2 * Math.max(one.at(-1).perS, two.at(-1).perS)
  twice.push({ perS, ...await openAt(single, perS) })
  twiceByTwo.push({ perS, ...await openAt(double, perS) })
}

const USAGE = ['server %', 'Redis %', 'load %', 'load late, p99 ms']
const mediansOf = (steps, keys) => Object.fromEntries(keys.map(key => [key, median(steps.map(step => step[key]))]))

function makeRateRow (name, { one, two }, isOurs, beside) {
  const ratesOf = steps => steps.map(({ perS }) => perS)
  return makeRow({
    name: `${name}: rate at which p99 passes ${LIMIT_MS} ms`,
    ...(isOurs ? { targetLeast: { before: 1.5 } } : { control: 'before' }),
    unit: '/s',
    values: ratesOf(two),
    ratios: beside === null ? {} : { before: summarizeRatio(ratesOf(two), ratesOf(beside.two)) },
    extra: mediansOf(two, USAGE),
    note: compareLoads(ratesOf(one), ratesOf(two), '/s')
  })
}

function makeTwiceRow (name, { twice, twiceByTwo }, isOurs) {
  const waits = steps => steps.map(({ p99Ms }) => p99Ms)
  return makeRow({
    name: `${name}: at twice that rate, p99 of the accepted`,
    unit: 'ms',
    values: waits(twiceByTwo),
    extra: mediansOf(twiceByTwo, ['offered', 'accepted', 'refused', 'lost', ...USAGE]),
    ...(isOurs ? { targetMax: MOST_ACCEPTED_MS, targetExtras: { lost: 0 } } : {}),
    note: compareLoads(waits(twice), waits(twiceByTwo), 'ms')
  })
}
