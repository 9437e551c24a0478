import { fileURLToPath } from 'node:url'
import { burstSubject, BURSTS, subscribe, SUBSCRIBERS, subscribeToGateway } from '../measure/delivery-subject.js'
import { runRounds } from '../measure/rounds.js'
import { centrifugoClient, startCentrifugo } from '../servers/centrifugo.js'
import { CENTRIFUGO } from '../servers/centrifugo-binary.js'
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
  const ours = await subscribeToGateway(scope, issuer)
  // The same bytes on the wire: what the gateway delivers is longer than what was published.
  await ours.deliver(1, 1)
  const frameLength = await ours.frameLength()
  const servers = [
    { name: 'bare app.publish', control: 'floor', ...await startBareFanout(scope, frameLength) },
    { name: 'portcullis', targetRatios: burst => ({ floor: burst === 1 ? 1.15 : 1.2, [CENTRIFUGO]: 1 }), ...ours },
    ...(before === undefined ? [] : [{ name: 'before', control: 'before', ...await subscribeToGateway(scope, issuer, { root: before }) }]),
    ...(short ? [] : [...await startOther(scope, issuer), { name: 'Socket.IO, Redis adapter', control: 'Socket.IO', ...await startSocketIo(scope) }])
  ]
  const rows = []
  for (const burst of BURSTS) {
    const subjects = servers.map(server => burstSubject(server, burst, operations))
    for (const { warmUp } of subjects) await warmUp()
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
  if (server === null) return []
  const hellos = Array.from({ length: SUBSCRIBERS }, () => centrifugoClient.hello(issuer.token({ channels: ['a1'] })))
  const subscribed = await subscribe(scope, {
    server,
    open: { targets: [centrifugoClient.target], hellos, lines: true },
    publish: async (burst) => { await server.publish('a1', DATA, burst) }
  })
  return [{ name: `${CENTRIFUGO}, Redis`, control: CENTRIFUGO, ...subscribed }]
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
