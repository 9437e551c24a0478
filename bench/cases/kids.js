import { randomUUID } from 'node:crypto'
import { runRounds } from '../measure/rounds.js'
import { upgradeSubject } from '../measure/upgrade-subject.js'
import { startLoad } from '../load/start-load.js'
import { startBare } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU per refusal of a token with an unknown key id, 10,000 different ones a round, and what its issuer is asked'
const OPERATIONS = 10_000
const COOLDOWN_S = 2

export async function run (scope, { rounds, operations = OPERATIONS, progress }) {
  const load = await startLoad(scope, 'upgrade')
  const bare = await startBare(scope)
  const floor = upgradeSubject('bare uWebSockets.js, accepted', { load, server: bare, targets: () => ['/ws'], operations, control: 'floor' })
  const floods = [
    await startFlood(scope, 'unknown key id, issuer up', load, operations, false),
    await startFlood(scope, 'unknown key id, issuer down', load, operations, true)
  ]
  for (const { warmUp } of [floor, ...floods]) await warmUp(operations / 2)
  return await runRounds([floor, ...floods], { rounds, unit: 'µs', progress })
}

/** Each flood begins when the cooldown since the last fetch is over, so that at least one fetch is due. */
async function startFlood (scope, name, load, operations, down) {
  const issuer = await startIssuer(scope)
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, env: { JWKS_COOLDOWN_S: String(COOLDOWN_S), WS_IP_WINDOW_S: '3600' } })
  issuer.state.down = down
  const targets = () => Array.from({ length: operations }, () => `/ws?token=${issuer.forged({}, randomUUID())}`)
  // 401 once the keys were asked for and have none of this name, 503 while the cooldown forbids asking.
  const subject = upgradeSubject(name, { load, server, redis, targets, operations, status: '401|503', linesEach: 0 })
  return {
    ...subject,
    async measure () {
      await new Promise((resolve) => { setTimeout(resolve, COOLDOWN_S * 1000 + 200) })
      const fetches = issuer.state.fetches
      const startedAt = performance.now()
      const { value, extra } = await subject.measure()
      const cooldowns = Math.ceil((performance.now() - startedAt) / 1000 / COOLDOWN_S)
      return { value, extra: { ...extra, fetches: issuer.state.fetches - fetches, 'cooldowns begun': cooldowns } }
    }
  }
}
