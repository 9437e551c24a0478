import { untilQuiet } from '../measure/cpu.js'
import { runRounds } from '../measure/rounds.js'
import { startLoad } from '../load/start-load.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = '3,000 clients at once, each of another user, who come again a second or two after they are refused: until the last is in'
const CLIENTS = 3000
const USERS = 8000
const WARM_UP = 10_000
const WARM_UP_BATCHES = 4
const ENV = { WS_IP_WINDOW_S: '3600', WS_USER_CONNECTIONS: '1000' }
const ROOM = { LISTEN_BACKLOG: '4096', WS_MAX_PENDING_UPGRADES: '5000' }

export async function run (scope, { rounds, operations: clients = CLIENTS, progress, before }) {
  const issuer = await startIssuer(scope)
  progress('signing tokens')
  const targets = Array.from({ length: USERS }, (_, n) => `/ws?token=${issuer.token({ sub: `storm-${n}` })}`)
  const [load, warming] = [await startLoad(scope, 'open-loop'), await startLoad(scope, 'upgrade')]
  let firstAddress = 0
  const subject = async (name, env, more = {}) => {
    progress(`warming up: ${name}`)
    const redis = await startRedis(scope)
    const server = await startGateway(scope, { issuer, redis, env: { ...ENV, ...env }, ...more })
    for (let batch = 0; batch < WARM_UP_BATCHES; batch++) await warming.ask({ port: server.port, targets, count: WARM_UP, status: '101', inFlight: 64 })
    const measure = async () => {
      const cpuBeforeUs = server.cpuUs()
      const answer = await load.ask({ port: server.port, targets, perS: clients * 1000, forMs: 1, firstAddress, comesBack: true })
      firstAddress += clients
      await untilQuiet([server.pid, redis.pid])
      return summarize(answer, server.cpuUs() - cpuBeforeUs)
    }
    return { name, measure, ...(more.root === undefined ? {} : { control: 'before' }) }
  }
  return await runRounds([
    await subject('portcullis', {}),
    await subject(`portcullis, ${Object.entries(ROOM).map(each => each.join('=')).join(', ')}`, ROOM),
    ...(before === undefined ? [] : [await subject('before', {}, { root: before })])
  ], { rounds, unit: 'ms', progress })
}

/** Throws when somebody never came in: then there is no time until the last did. */
function summarize ({ offered, outcomes, acceptedMs }, cpuUs) {
  if (acceptedMs.length < offered) throw new Error(`${offered - acceptedMs.length} of ${offered} never came in: ${JSON.stringify(outcomes)}`)
  const waits = acceptedMs.sort((a, b) => a - b)
  return {
    value: waits.at(-1),
    extra: { 'half are in, ms': waits[Math.floor(waits.length / 2)], refusals: outcomes['503'] ?? 0, 'CPU ms': cpuUs / 1000 }
  }
}
