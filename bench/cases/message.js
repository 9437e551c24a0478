import { untilQuiet } from '../measure/cpu.js'
import { runRounds } from '../measure/rounds.js'
import { startLoad } from '../load/start-load.js'
import { startBare, startUsualStack } from '../servers/controls.js'
import { startGateway, UNLIMITED } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU per inbound 64-byte frame that is answered; 64 connections, each with an address of its own'
const CONNECTIONS = 64
const WARM_UP = 100_000
const OPERATIONS = 40_000
/** 64 bytes. */
const FRAME = JSON.stringify({ type: 'ping', id: 'x'.repeat(64 - '{"type":"ping","id":""}'.length) })

export async function run (scope, { rounds, operations = OPERATIONS, short, progress, before }) {
  const issuer = await startIssuer(scope)
  const start = async (name, server, redis, more) => await startSubject(scope, { issuer, name, server, redis, operations, ...more })
  const startOurs = async (name, root) => {
    const redis = await startRedis(scope)
    const server = await startGateway(scope, { issuer, redis, env: { WS_IP_MESSAGES: UNLIMITED }, root })
    return await start(name, server, redis, root === undefined ? { targetRatios: { floor: 1.2 } } : { control: 'before' })
  }
  const startUsual = async () => {
    const redis = await startRedis(scope)
    return await start('usual stack', await startUsualStack(scope, { issuer, redis }), redis, { control: 'usual' })
  }
  const subjects = [
    await start('bare uWebSockets.js, echo', await startBare(scope), undefined, { control: 'floor' }),
    await startOurs('portcullis, message limit on'),
    ...(before === undefined ? [] : [await startOurs('before', before)]),
    ...(short ? [] : [await startUsual()])
  ]
  for (const { name, warmUp } of subjects) {
    progress(`warming up: ${name}`)
    await warmUp()
  }
  return await runRounds(subjects, { rounds, unit: 'µs', progress })
}

async function startSubject (scope, { issuer, name, server, redis, operations, ...more }) {
  const load = await startLoad(scope, 'connections')
  const targets = Array.from({ length: CONNECTIONS }, () => `/ws?token=${issuer.token()}`)
  await load.ask({ op: 'connect', port: server.port, targets, count: CONNECTIONS, firstAddress: 0 })
  const drive = async (total) => {
    const answer = await load.ask({ op: 'echo', text: FRAME, total })
    await untilQuiet([server.pid])
    return answer
  }
  const measure = async () => {
    const countScripts = async () => (await redis.calls())['script calls']
    const calls = redis === undefined ? 0 : await countScripts()
    const serverBefore = server.cpuUs()
    const { cpuUs, wallMs } = await drive(operations)
    const serverUs = server.cpuUs() - serverBefore
    return {
      value: serverUs / operations,
      extra: {
        ...(redis === undefined ? {} : { 'script calls': (await countScripts() - calls) / operations }),
        'server %': serverUs / wallMs / 10,
        'load %': cpuUs / wallMs / 10
      }
    }
  }
  return { name, measure, warmUp: async () => { await drive(WARM_UP) }, ...more }
}
