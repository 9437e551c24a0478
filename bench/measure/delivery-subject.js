import { untilQuiet } from './cpu.js'
import { startLoad } from '../load/start-load.js'
import { startGateway } from '../servers/gateway.js'
import { startRedis } from '../servers/redis.js'

export const SUBSCRIBERS = 1000
/** Publishes in one tick: one alone, and a busy topic. */
export const BURSTS = [1, 16]
const WARM_UP = 400
const CHANNEL = 'ws:topic:agent:a1'
const PLAIN = JSON.stringify({ event: 'bench', data: 'x'.repeat(512) })

/** A subject of `runRounds` whose operation is one delivery: a round has `publishes`, `burst` of them in a tick. */
export function burstSubject ({ name, control, pid, cpuUs, deliver, targetRatios }, burst, publishes) {
  const measure = async () => {
    const before = cpuUs()
    const { loadUs, wallMs } = await deliver(publishes, burst)
    await untilQuiet([pid])
    const serverUs = cpuUs() - before
    const extra = { 'server %': serverUs / wallMs / 10, 'load %': loadUs / wallMs / 10 }
    return { value: serverUs / (publishes * SUBSCRIBERS), extra }
  }
  const target = targetRatios === undefined ? {} : { targetRatios: targetRatios(burst) }
  return { name: `${name}, ${burst} a tick`, control, ...target, measure, warmUp: async () => { await deliver(WARM_UP, burst) } }
}

/** Subscribers in a process of their own, and how to publish and wait for the last delivery. */
export async function subscribe (scope, { server, open, publish }) {
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

/**
 * A gateway whose topic `agent:a1` has 1,000 subscribers.
 * @param {object} [more]
 * @param {string} [more.root] another checkout
 * @param {(redis: object) => Promise<(burst: number) => Promise<void>>} [more.makePublish] what publishes; by default `PUBLISH`
 */
export async function subscribeToGateway (scope, issuer, { root, makePublish = publishPlain } = {}) {
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, root })
  const targets = Array.from({ length: SUBSCRIBERS }, () => `/ws?agent_ids=a1&token=${issuer.token({ agents: ['a1'] })}`)
  return await subscribe(scope, { server, open: { targets, greeting: { frames: 2 } }, publish: await makePublish(redis) })
}

async function publishPlain (redis) {
  return async (burst) => {
    const pipeline = redis.client.pipeline()
    for (let i = 0; i < burst; i++) pipeline.publish(CHANNEL, PLAIN)
    await pipeline.exec()
  }
}
