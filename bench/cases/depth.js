import { runRounds } from '../measure/rounds.js'
import { LOST_BY_BEFORE, upgradeSubject } from '../measure/upgrade-subject.js'
import { startLoad } from '../load/start-load.js'
import { startBare } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer, USERS } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU, and Redis’s, per upgrade with a known token: one alone, 8 and 64 in flight; its end included'
const DEPTHS = [1, 8, 64]
const OPERATIONS = 2000
/** What the end of the connection costs is in it. */
const ALONE = { 'Redis µs': 60, 'script calls': 1.3, '(un)subscribe calls': 0 }
/** Rounds' worth of upgrades. */
const WARM_UP = 20

export async function run (scope, { rounds, operations = OPERATIONS, progress, before }) {
  const issuer = await startIssuer(scope)
  const load = await startLoad(scope, 'upgrade')
  const known = Array.from({ length: USERS }, () => `/ws?token=${issuer.token()}`)
  const list = (name, parts, more) => DEPTHS.map((inFlight) => {
    const of = inFlight === 1 ? 'one in flight' : `${inFlight} in flight`
    const subject = upgradeSubject(`${name}, ${of}`, { load, operations, targets: () => known, of, inFlight, ...parts, ...more })
    return more.targetRatios === undefined || inFlight > 1 ? subject : { ...subject, targetExtras: ALONE }
  })
  const startOurs = async (root) => {
    const redis = await startRedis(scope)
    return { redis, server: await startGateway(scope, { issuer, redis, root, env: { WS_IP_WINDOW_S: '3600' } }), linesEach: 2 }
  }
  const subjects = [
    ...list('bare uWebSockets.js', { server: await startBare(scope) }, { control: 'floor' }),
    ...list('portcullis', await startOurs(), { targetRatios: {} }),
    ...(before === undefined ? [] : list('before', await startOurs(before), { control: 'before', linesLost: LOST_BY_BEFORE }))
  ]
  for (const { name, warmUp } of subjects) {
    progress(`warming up: ${name}`)
    await warmUp(operations * (name.endsWith(`${DEPTHS.at(-1)} in flight`) ? WARM_UP : 1))
  }
  return await runRounds(subjects, { rounds, unit: 'µs', progress })
}
