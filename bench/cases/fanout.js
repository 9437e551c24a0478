import { fileURLToPath } from 'node:url'
import { burstSubject, BURSTS, subscribe, SUBSCRIBERS, subscribeToGateway } from '../measure/delivery-subject.js'
import { runRounds } from '../measure/rounds.js'
import { centrifugoClient, startCentrifugo } from '../servers/centrifugo.js'
import { CENTRIFUGO, findCentrifugo } from '../servers/centrifugo-binary.js'
import { startScript } from '../servers/child.js'
import { installControls } from '../servers/controls.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU per delivery: one Redis publish of 512 bytes to 1,000 subscribers'
const DATA = 'x'.repeat(512)
const PUBLISHES = 160
const here = name => fileURLToPath(new URL(name, import.meta.url))

export async function run (scope, { rounds, operations = PUBLISHES, short, progress, before }) {
  const issuer = await startIssuer(scope)
  progress('starting portcullis')
  const ours = await subscribeToGateway(scope, issuer)
  // The same bytes on the wire: what the gateway delivers is longer than what was published.
  await ours.deliver(1, 1)
  const frameLength = await ours.frameLength()
  const start = async (name, make) => {
    progress(`starting ${name}`)
    return { name, ...await make() }
  }
  const servers = [
    { control: 'floor', ...await start('bare app.publish', async () => await startBareFanout(scope, frameLength)) },
    { name: 'portcullis', targetRatios: burst => ({ floor: burst === 1 ? 1.15 : 1.2, [CENTRIFUGO]: 1 }), ...ours },
    ...(before === undefined
      ? []
      : [{
          control: 'before', ...await start('before', async () => await subscribeToGateway(scope, issuer, { root: before }))
        }]),
    ...(short || findCentrifugo() === null ? [] : [{ control: CENTRIFUGO, ...await start(`${CENTRIFUGO}, Redis`, async () => await startOther(scope, issuer)) }]),
    ...(short ? [] : [{ control: 'Socket.IO', ...await start('Socket.IO, Redis adapter', async () => await startSocketIo(scope)) }])
  ]
  const rows = []
  for (const burst of BURSTS) {
    const subjects = servers.map(server => burstSubject(server, burst, operations))
    for (const { name, warmUp } of subjects) {
      progress(`warming up: ${name}`)
      await warmUp()
    }
    rows.push(...await runRounds(subjects, { rounds, unit: 'µs', progress }))
  }
  return rows
}

async function startBareFanout (scope, frameLength) {
  const child = await startScript(here('../servers/bare-fanout.js'))
  scope.onEnd(child.stop)
  const text = 'x'.repeat(frameLength)
  return await subscribe(scope, {
    server: { ...child, port: child.ready.port },
    open: { targets: ['/ws'], greeting: { frames: 2 } },
    publish: async (burst) => { await child.ask({ text, times: burst }) }
  })
}

/** Centrifugo publishes through Redis as we do; its API takes the burst in one request. */
async function startOther (scope, issuer) {
  const server = await startCentrifugo(scope, { issuer, redis: await startRedis(scope) })
  const hellos = Array.from({ length: SUBSCRIBERS }, () => centrifugoClient.hello(issuer.token({ channels: ['a1'] })))
  return await subscribe(scope, {
    server,
    open: { targets: [centrifugoClient.target], hellos, lines: true },
    publish: async (burst) => { await server.publish('a1', DATA, burst) }
  })
}

async function startSocketIo (scope) {
  installControls()
  const redis = await startRedis(scope)
  const start = async () => {
    const child = await startScript(here('../servers/socket-io.js'), { REDIS_URL: redis.url })
    scope.onEnd(child.stop)
    return { ...child, port: child.ready.port }
  }
  const server = await start()
  const emitter = await start()
  return await subscribe(scope, {
    server,
    // Engine.IO's open packet, then the answer to joining the default namespace.
    open: { targets: ['/socket.io/?EIO=4&transport=websocket'], greeting: { frames: 2, send: '40' } },
    publish: async (burst) => { await emitter.ask({ data: DATA, times: burst }) }
  })
}
