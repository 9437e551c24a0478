import { runRounds, SURPLUS } from '../measure/rounds.js'
import { LOST_BY_BEFORE, upgradeSubject } from '../measure/upgrade-subject.js'
import { startLoad } from '../load/start-load.js'
import { centrifugoClient, startCentrifugo } from '../servers/centrifugo.js'
import { CENTRIFUGO } from '../servers/centrifugo-binary.js'
import { startBare, startUsualStack } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer, USERS } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU per upgrade: connect, upgrade, first frame or refusal, reset; 64 in flight'
const WARM_UP = 16_000
/** V8 goes on compiling our code for some tens of thousands of upgrades; the rows share it, so one of them warms it up. */
const LONG_WARM_UP = 40_000
const OPERATIONS = 4000
/** Who come back after a restart, each once: their tokens are known, but nothing of one upgrade serves the next. */
const STORM_USERS = 8000
const OVER_LIMIT = '127.9.9.9'
const LIMITS = { WS_IP_WINDOW_S: '3600' }

const pathOf = token => `/ws?token=${token}`
const many = (count, make) => Array.from({ length: count }, (_, n) => make(n))

/** A function that gives the whole list first, to warm up, and then its next part each time, round and round. */
function takeTurns (list, count) {
  let at = null
  return () => {
    if (at === null) {
      at = 0
      return list
    }
    const from = at
    at = (at + count) % list.length
    return many(Math.min(count, list.length), n => list[(from + n) % list.length])
  }
}

/**
 * Everything is on: the default limits in Redis, an accepted and a closed line in a real file, the welcome, the lease
 * given back. Each connection comes from an address of its own, and 1,000 users share the tokens.
 */
export async function run (scope, { rounds, operations = OPERATIONS, short, progress, before }) {
  const issuer = await startIssuer(scope)
  const load = await startLoad(scope, 'upgrade')
  progress('signing tokens')
  const known = many(USERS, () => issuer.token())
  const storm = many(short ? 0 : STORM_USERS, n => issuer.token({ sub: `storm-${n}` }))
  const sign = count => ({ fresh: many(count, () => issuer.token()), forged: many(count, () => issuer.forged()) })
  /** New tokens for each round; every server sees each of them once. */
  const tokens = sign(WARM_UP)
  const bench = { issuer, load, known, storm, tokens, operations }
  const subjects = [
    upgradeSubject('bare uWebSockets.js', {
      load, server: await startBare(scope), targets: () => known.map(pathOf), operations, control: 'floor'
    }),
    ...await startOurs(scope, 'portcullis', bench),
    ...(before === undefined ? [] : await startOurs(scope, 'before', bench, { root: before, control: 'before' })),
    ...(short ? [] : [...await startOther(scope, bench), await startUsual(scope, bench)])
  ]
  for (const { name, warmUp } of subjects) {
    progress(`warming up: ${name}`)
    await warmUp(name.endsWith('known token') ? LONG_WARM_UP : WARM_UP)
  }
  progress('signing the tokens of all rounds')
  // Before the first: a server that waits for signatures between two rounds is measured with cold caches.
  const batches = many(rounds, () => sign(operations))
  return await runRounds(subjects, {
    rounds,
    unit: 'µs',
    progress,
    beforeRound () { Object.assign(tokens, batches.shift()) }
  })
}

const TARGETS = {
  'fresh token': { before: 0.6, [SURPLUS]: 0.48, [CENTRIFUGO]: 1, usual: 1 / 6 },
  'known token': { before: 0.75, [SURPLUS]: 0.62, [CENTRIFUGO]: 1 },
  'another user each time': { before: 0.6, [SURPLUS]: 0.48, [CENTRIFUGO]: 1 },
  'forged token': { before: 0.7, [SURPLUS]: 0.58, [CENTRIFUGO]: 1 },
  'address over its limit': { floor: 1.12 }
}

/** What clients send, by what is done. */
function listKinds ({ known, storm, tokens, operations }) {
  const nextOfStorm = takeTurns(storm, operations)
  return {
    'fresh token': { tokensOf: () => tokens.fresh, linesEach: 2 },
    'known token': { tokensOf: () => known, linesEach: 2 },
    ...(storm.length === 0 ? {} : { 'another user each time': { tokensOf: nextOfStorm, linesEach: 2 } }),
    'forged token': { tokensOf: () => tokens.forged, status: '401', linesEach: 1 },
    'address over its limit': { tokensOf: () => known, status: '429', address: OVER_LIMIT }
  }
}

async function startOurs (scope, name, { issuer, load, operations, ...lists }, { root, control } = {}) {
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, env: LIMITS, root })
  // Ten attempts of one address are accepted; those that follow are refused without a call.
  await load.ask({ port: server.port, targets: lists.known.map(pathOf), count: 10, status: '101', address: OVER_LIMIT, inFlight: 1 })
  return Object.entries(listKinds({ ...lists, operations })).map(([of, { tokensOf, ...more }]) => upgradeSubject(`${name}, ${of}`, {
    load,
    server,
    redis,
    operations,
    of,
    targets: () => tokensOf().map(pathOf),
    ...more,
    ...(control === undefined ? { targetRatios: TARGETS[of] } : { control, linesLost: LOST_BY_BEFORE })
  }))
}

/** Centrifugo in memory, which is its cheapest: no limits, no leases, no lines. It has no refusal of an address. */
async function startOther (scope, { issuer, load, operations, ...lists }) {
  const server = await startCentrifugo(scope, { issuer })
  if (server === null) return []
  const { 'address over its limit': _none, ...kinds } = listKinds({ ...lists, operations })
  return Object.entries(kinds).map(([of, { tokensOf }]) => upgradeSubject(`${CENTRIFUGO}, ${of}`, {
    load,
    server,
    operations,
    of,
    control: CENTRIFUGO,
    targets: () => [centrifugoClient.target],
    hellos: () => tokensOf().map(token => centrifugoClient.hello(token)),
    expected: of === 'forged token' ? centrifugoClient.refused : centrifugoClient.accepted
  }))
}

async function startUsual (scope, { issuer, load, tokens, operations }) {
  const redis = await startRedis(scope)
  const server = await startUsualStack(scope, { issuer, redis })
  return upgradeSubject('usual stack, fresh token', {
    load, server, redis, operations, targets: () => tokens.fresh.map(pathOf), control: 'usual', of: 'fresh token'
  })
}
