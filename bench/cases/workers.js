import { runRounds } from '../measure/rounds.js'
import { upgradeSubject } from '../measure/upgrade-subject.js'
import { startLoad } from '../load/start-load.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer, USERS } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU per upgrade with a known token, of all processes together, with one process, two and four; 64 in flight'
const COUNTS = [1, 2, 4]
const OPERATIONS = 4000
/** Rounds' worth of upgrades; each process has its own code to warm. */
const WARM_UP = 10

export async function run (scope, { rounds, operations = OPERATIONS, progress, before }) {
  const issuer = await startIssuer(scope)
  const load = await startLoad(scope, 'upgrade')
  const known = Array.from({ length: USERS }, () => `/ws?token=${issuer.token()}`)
  const start = async (name, workers, { root, ...more }) => {
    const redis = await startRedis(scope)
    const server = await startGateway(scope, { issuer, redis, workers, root, env: { WS_IP_WINDOW_S: '3600' } })
    // Not counted by lines: a120f99 with four processes was seen to write none for one of its first connections.
    const subject = upgradeSubject(name, { load, server, redis, operations, targets: () => known, ...more })
    // In parts: a batch of the load may take half a minute.
    const warmUp = async () => { for (let part = 0; part < workers; part++) await subject.warmUp(operations * WARM_UP) }
    return { ...subject, warmUp }
  }
  const subjects = []
  for (const workers of COUNTS) {
    const of = `${workers} process${workers === 1 ? '' : 'es'}`
    subjects.push(await start(`portcullis, ${of}`, workers, { of, targetRatios: {}, ...(workers === 1 ? { control: 'one process', forAll: true } : {}) }))
    if (before !== undefined) subjects.push(await start(`before, ${of}`, workers, { of, control: 'before', root: before }))
  }
  for (const { name, warmUp } of subjects) {
    progress(`warming up: ${name}`)
    await warmUp()
  }
  return await runRounds(subjects, { rounds, unit: 'µs', progress })
}
