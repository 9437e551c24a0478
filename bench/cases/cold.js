import { findFreePort } from '../../scripts/free-port.js'
import { startLoad } from '../load/start-load.js'
import { readRssOf } from '../measure/memory.js'
import { runRounds } from '../measure/rounds.js'
import { createScope } from '../measure/scope.js'
import { upgradeSubject } from '../measure/upgrade-subject.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer, USERS } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'
import { untilReady } from '../servers/until-ready.js'

export const title = 'server CPU per upgrade of the first 2,000 that a new process takes, beside the same after 20,000; 64 in flight'
const FIRST = 2000
/** After these V8 has compiled what there is to compile. */
const UNTIL_SETTLED = 20_000
/** As many upgrades as in the first; the median of some. */
const SETTLED_ROUNDS = 3
const LISTENING_MS = 1000
const READY_MS = 3000
const MB = 1_048_576

/**
 * Each round starts a process. The first upgrades bring tokens of 1,000 users which it has never seen, each twice; the settled figure is
 * that of as many upgrades with tokens that are as new, so that what differs is the process alone. `settled, known tokens`: with
 * tokens that it knows by then.
 */
export async function run (scope, { rounds, operations = UNTIL_SETTLED, progress }) {
  const issuer = await startIssuer(scope)
  const bench = { issuer, load: await startLoad(scope, 'upgrade'), untilSettled: operations }
  const subject = (name, warmUp, more) => ({ name, measure: async () => await measureStart(bench, warmUp), ...more })
  return await runRounds([
    subject('warmed before it is ready', 'true', { targetExtras: { '× settled': 1.5, 'ms to listening': LISTENING_MS, 'ms to ready': READY_MS } }),
    subject('WS_WARM_UP=false', 'false', { control: 'not warmed' })
  ], { rounds, unit: 'µs', progress })
}

async function measureStart ({ issuer, load, untilSettled }, warmUp) {
  const scope = createScope()
  try {
    // Before the start: a server that waits for signatures has cold caches.
    const batches = Array.from({ length: 1 + SETTLED_ROUNDS }, () => Array.from({ length: USERS }, () => `/ws?token=${issuer.token()}`))
    const redis = await startRedis(scope)
    const adminPort = await findFreePort()
    const startedAt = performance.now()
    const env = { WS_IP_WINDOW_S: '3600', WS_WARM_UP: warmUp, ADMIN_PORT: String(adminPort) }
    const server = await startGateway(scope, { issuer, redis, env })
    await untilReady(adminPort)
    const readyMs = performance.now() - startedAt
    const rssBytes = readRssOf(server.pid)
    let targets = batches.shift()
    const first = upgradeSubject('first', { load, server, redis, linesEach: 2, operations: FIRST, targets: () => targets })
    const { value } = await first.measure()
    await first.warmUp(untilSettled)
    const [fresh, known] = [[], []]
    for (let round = 0; round < SETTLED_ROUNDS; round++) {
      targets = batches.shift()
      fresh.push((await first.measure()).value)
      known.push((await first.measure()).value)
    }
    const [settled, settledKnown] = [fresh, known].map(values => values.toSorted((a, b) => a - b)[SETTLED_ROUNDS >> 1])
    return {
      value,
      extra: {
        settled,
        '× settled': value / settled,
        'settled, known tokens': settledKnown,
        'ms to listening': server.readyMs,
        'ms to ready': readyMs,
        'RSS MB at ready': rssBytes / MB
      }
    }
  } finally {
    await scope.end()
  }
}
