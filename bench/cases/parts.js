import { runRounds } from '../measure/rounds.js'
import { upgradeSubject } from '../measure/upgrade-subject.js'
import { startLoad } from '../load/start-load.js'
import { startBare } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer, USERS } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'what each part of a known token’s upgrade costs: server CPU with the part taken out of the whole; 64 in flight'
const WARM_UP = 30_000
const OPERATIONS = 4000
/** Of each upgrade: accepted and closed. */
const LINES = 2
const ENV = { WS_IP_WINDOW_S: '3600' }

const PARTS = {
  'with all': {},
  'without Redis: limits, own topic and orders in the process': { redis: false },
  'without the history of users’ own topics': { env: { WS_HISTORY_EVENTS_USER: '0' } },
  'without the limits of addresses': { env: { WS_IP_ALLOW_LIST: '127.0.0.0/8' } },
  'without log lines': { isQuiet: true },
  'without any of these': { redis: false, env: { WS_HISTORY_EVENTS_USER: '0', WS_IP_ALLOW_LIST: '127.0.0.0/8' }, isQuiet: true }
}

export async function run (scope, { rounds, operations = OPERATIONS, progress }) {
  const issuer = await startIssuer(scope)
  const load = await startLoad(scope, 'upgrade')
  const known = Array.from({ length: USERS }, () => `/ws?token=${issuer.token()}`)
  const startPart = async ([name, { redis: hasRedis = true, env = {}, isQuiet = false }]) => {
    const redis = hasRedis ? await startRedis(scope) : null
    const server = await startGateway(scope, { issuer, redis, env: { ...ENV, ...env }, isQuiet })
    return upgradeSubject(`portcullis, ${name}`, {
      load, server, redis: redis ?? undefined, operations, targets: () => known, linesEach: isQuiet ? 0 : LINES, ...(name === 'with all' ? { control: 'whole' } : {})
    })
  }
  const subjects = [upgradeSubject('bare uWebSockets.js', { load, server: await startBare(scope), operations, targets: () => known, control: 'floor' })]
  for (const part of Object.entries(PARTS)) subjects.push(await startPart(part))
  for (const { name, warmUp } of subjects) {
    progress(`warming up: ${name}`)
    await warmUp(WARM_UP)
  }
  return await runRounds(subjects, { rounds, unit: 'µs', progress })
}
