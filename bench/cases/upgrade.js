import { runRounds } from '../measure/rounds.js'
import { upgradeSubject } from '../measure/upgrade-subject.js'
import { startLoad } from '../load/start-load.js'
import { startBare, startUsualStack } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer, USERS } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU per upgrade: connect, upgrade, first frame or refusal, reset; 64 in flight'
const WARM_UP = 16_000
/** V8 goes on compiling our code for some tens of thousands of upgrades; the rows share it, so one of them warms it up. */
const LONG_WARM_UP = 40_000
const OPERATIONS = 4000
const OVER_LIMIT = '127.9.9.9'
const LIMITS = { WS_IP_WINDOW_S: '3600' }

const pathOf = token => `/ws?token=${token}`
const many = (count, make) => Array.from({ length: count }, () => pathOf(make()))

/**
 * Everything is on: the default limits in Redis, an accepted and a closed line in a real file, the welcome, the lease
 * given back. Each connection comes from an address of its own, and 1,000 users share the tokens.
 */
export async function run (scope, { rounds, operations = OPERATIONS, short, progress, before }) {
  const issuer = await startIssuer(scope)
  const load = await startLoad(scope, 'upgrade')
  const known = many(USERS, issuer.token)
  /** New tokens for each round; every server sees each of them once. */
  const tokens = { fresh: many(WARM_UP, issuer.token), forged: many(WARM_UP, issuer.forged) }
  const bare = await startBare(scope)
  const subjects = [
    upgradeSubject('bare uWebSockets.js', { load, server: bare, targets: () => known, operations, control: 'floor' }),
    ...await startOurs(scope, 'portcullis', { issuer, load, known, tokens, operations }),
    ...(before === undefined ? [] : await startOurs(scope, 'before', { issuer, load, known, tokens, operations, root: before })),
    ...(short ? [] : [await startUsual(scope, { issuer, load, tokens, operations })])
  ]
  for (const { name, warmUp } of subjects) {
    progress(`warming up: ${name}`)
    await warmUp(name.endsWith('known token') ? LONG_WARM_UP : WARM_UP)
  }
  progress('signing the tokens of all rounds')
  // Before the first: a server that waits for signatures between two rounds is measured with cold caches.
  const batches = Array.from({ length: rounds }, () => ({ fresh: many(operations, issuer.token), forged: many(operations, issuer.forged) }))
  return await runRounds(subjects, {
    rounds,
    unit: 'µs',
    progress,
    beforeRound () { Object.assign(tokens, batches.shift()) }
  })
}

async function startOurs (scope, name, { issuer, load, known, tokens, operations, root }) {
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, env: LIMITS, root })
  // Ten attempts of one address are accepted; those that follow are refused without a call.
  await load.ask({ port: server.port, targets: known, count: 10, status: '101', address: OVER_LIMIT, inFlight: 1 })
  const shared = { load, server, redis, operations }
  return [
    upgradeSubject(`${name}, fresh token`, {
      ...shared, targets: () => tokens.fresh, linesEach: 2, targetRatios: { floor: 2.5, usual: 1 / 6 }
    }),
    upgradeSubject(`${name}, known token`, {
      ...shared, targets: () => known, linesEach: 2, targetRatios: { floor: 1.6 }
    }),
    upgradeSubject(`${name}, forged token`, {
      ...shared, targets: () => tokens.forged, status: '401', linesEach: 1, targetRatios: { floor: 1.9 }
    }),
    upgradeSubject(`${name}, address over its limit`, {
      ...shared, targets: () => known, status: '429', address: OVER_LIMIT, targetRatios: { floor: 1.1 }
    })
  ]
}

async function startUsual (scope, { issuer, load, tokens, operations }) {
  const redis = await startRedis(scope)
  const server = await startUsualStack(scope, { issuer, redis })
  return upgradeSubject('usual stack, fresh token', { load, server, redis, operations, targets: () => tokens.fresh, control: 'usual' })
}
