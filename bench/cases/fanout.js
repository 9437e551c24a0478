import { fileURLToPath } from 'node:url'
import { untilQuiet } from '../measure/cpu.js'
import { runRounds } from '../measure/rounds.js'
import { startLoad } from '../load/start-load.js'
import { startScript } from '../servers/child.js'
import { installControls } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'server CPU per delivery: one Redis publish of 512 bytes to 1,000 subscribers'
const SUBSCRIBERS = 1000
const DATA = 'x'.repeat(512)
/** Publishes in one tick: one alone, and a busy topic. */
const BURSTS = [1, 16]
const PUBLISHES = 160
const WARM_UP = 400
const CHANNEL = 'ws:topic:agent:a1'
const here = name => fileURLToPath(new URL(name, import.meta.url))

export async function run (scope, { rounds, operations = PUBLISHES, short, progress, before }) {
  const issuer = await startIssuer(scope)
  const ours = await startOurs(scope, issuer)
  // The same bytes on the wire: what the gateway delivers is longer than what was published.
  await ours.deliver(1, 1)
  const frameLength = await ours.frameLength()
  const servers = [
    { name: 'bare app.publish', control: 'floor', ...await startBareFanout(scope, frameLength) },
    { name: 'portcullis', targetRatios: { floor: 1.15 }, ...ours },
    ...(before === undefined ? [] : [{ name: 'before', ...await startOurs(scope, issuer, before) }]),
    ...(short ? [] : [{ name: 'Socket.IO, Redis adapter', control: 'Socket.IO', ...await startSocketIo(scope) }])
  ]
  const rows = []
  for (const burst of BURSTS) {
    const subjects = servers.map(server => burstSubject(server, burst, operations))
    for (const { warmUp } of subjects) await warmUp()
    rows.push(...await runRounds(subjects, { rounds, unit: 'µs', progress }))
  }
  return rows
}

function burstSubject ({ name, control, pid, cpuUs, deliver, targetRatios = {} }, burst, publishes) {
  const measure = async () => {
    const before = cpuUs()
    const { loadUs, wallMs } = await deliver(publishes, burst)
    await untilQuiet([pid])
    const serverUs = cpuUs() - before
    const extra = { 'server %': serverUs / wallMs / 10, 'load %': loadUs / wallMs / 10 }
    return { value: serverUs / (publishes * SUBSCRIBERS), extra }
  }
  return { name: `${name}, ${burst} a tick`, control, targetRatios, measure, warmUp: async () => { await deliver(WARM_UP, burst) } }
}

/** Subscribers in a process of their own, and how to publish and wait for the last delivery. */
async function subscribe (scope, { server, open, publish }) {
  const load = await startLoad(scope, 'connections')
  await load.ask({ op: 'connect', port: server.port, count: SUBSCRIBERS, firstAddress: 0, ...open })
  return {
    pid: server.pid,
    cpuUs: server.cpuUs,
    frameLength: async () => (await load.ask({ op: 'mark' })).lastLength,
    async deliver (publishes, burst) {
      let { frames } = await load.ask({ op: 'mark' })
      const loadBefore = load.cpuUs()
      const startedAt = performance.now()
      for (let sent = 0; sent < publishes; sent += burst) {
        frames += burst * SUBSCRIBERS
        await publish(burst)
        await load.ask({ op: 'until', count: frames })
      }
      return { loadUs: load.cpuUs() - loadBefore, wallMs: performance.now() - startedAt }
    }
  }
}

async function startOurs (scope, issuer, root) {
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, root })
  const targets = Array.from({ length: SUBSCRIBERS }, () => `/ws?agent_ids=a1&token=${issuer.token({ agents: ['a1'] })}`)
  const text = JSON.stringify({ event: 'bench', data: DATA })
  const publish = async (burst) => {
    const pipeline = redis.client.pipeline()
    for (let i = 0; i < burst; i++) pipeline.publish(CHANNEL, text)
    await pipeline.exec()
  }
  return await subscribe(scope, { server, open: { targets, greeting: { frames: 2 } }, publish })
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
