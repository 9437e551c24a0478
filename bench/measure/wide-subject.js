import { startLoad } from '../load/start-load.js'
import { untilQuiet } from './cpu.js'
import { readRssBytes } from './memory.js'
import { median } from './statistics.js'

/** Of all connections, those that are there when memory is read first. */
const FEW_SHARE = 0.1
const PUBLISHES = 10
const WARM_UP = 3
const TIMEOUT_MS = 300_000

/** @param {number} ms */
const pause = ms => new Promise((resolve) => { setTimeout(resolve, ms) })

/**
 * Opens connections to a server of several processes, each load process to a port of its own or all to one, and looks at what
 * they cost: memory, CPU while nothing happens, one event to all.
 * @param {object} server `ports`: of each load process; `clientsOf(tokens)`: what those clients send to open
 * @param {{ clients: string[], seconds: number, progress: (text: string) => void }} settings `clients`: the token of each
 */
export async function measureWide (scope, server, { clients, seconds, progress }) {
  const loads = await Promise.all(server.ports.map(() => startLoad(scope, 'connections')))
  const share = Math.floor(clients.length / loads.length)
  const few = Math.floor(share * FEW_SHARE)
  const open = async (from, to) => {
    await Promise.all(loads.map((load, n) => load.ask({
      op: 'connect',
      port: server.ports[n],
      count: to - from,
      firstAddress: n * share + from,
      ...server.open,
      ...server.clientsOf(clients.slice(n * share + from, n * share + to))
    }, TIMEOUT_MS)))
    return await readRssBytes(server, to)
  }
  // What starting left to do is not what a process costs at rest.
  await untilQuiet(server.pids)
  const empty = await measureRest(server, seconds)
  const fewBytes = await open(0, few)
  progress(`opening ${share * loads.length} connections`)
  const manyBytes = await open(few, share)
  const connections = share * loads.length
  const rest = await measureRest(server, seconds)
  const delivery = await measureDelivery(server, loads, share)
  return {
    memoryKb: (manyBytes - fewBytes) / ((share - few) * loads.length) / 1000,
    restUs: rest.serverUsPerS / connections,
    ...delivery.values,
    extras: {
      memoryKb: { connections, processes: loads.length, 'RSS MB of all processes': manyBytes / 1e6 },
      restUs: {
        ...(server.redis === null ? {} : { 'Redis µs': rest.redisUsPerS / connections }),
        'ms a second, all': rest.serverUsPerS / 1000,
        'ms a second without connections': empty.serverUsPerS / 1000
      },
      deliveryUs: delivery.extra
    }
  }
}

/** CPU of the server and of Redis while nothing happens, in µs each second. */
async function measureRest (server, seconds) {
  const [serverBefore, redisBefore, startedAt] = [server.cpuUs(), server.redis?.cpuUs() ?? 0, performance.now()]
  await pause(seconds * 1000)
  const perS = us => us / ((performance.now() - startedAt) / 1000)
  return { serverUsPerS: perS(server.cpuUs() - serverBefore), redisUsPerS: perS((server.redis?.cpuUs() ?? 0) - redisBefore) }
}

/** One event at a time to all: CPU of each delivery, and how long until the last load process has all of its own. */
async function measureDelivery (server, loads, share) {
  const deliver = async () => {
    const marks = await Promise.all(loads.map(load => load.ask({ op: 'mark' })))
    const startedAt = performance.now()
    const arrived = Promise.all(loads.map((load, n) => load.ask({ op: 'until', count: marks[n].frames + share })))
    await server.publish()
    for (const [n, { frames }] of (await arrived).entries()) {
      if (frames < marks[n].frames + share) throw new Error('an event did not reach all')
    }
    return performance.now() - startedAt
  }
  for (let n = 0; n < WARM_UP; n++) await deliver()
  await untilQuiet(server.pids, share)
  const [serverBefore, loadsBefore, startedAt] = [server.cpuUs(), loads.map(load => load.cpuUs()), performance.now()]
  const waitsMs = []
  for (let n = 0; n < PUBLISHES; n++) waitsMs.push(await deliver())
  const wallMs = performance.now() - startedAt
  await untilQuiet(server.pids, share)
  const serverUs = server.cpuUs() - serverBefore
  const loadUs = Math.max(...loads.map((load, n) => load.cpuUs() - loadsBefore[n]))
  return {
    values: { deliveryUs: serverUs / PUBLISHES / (share * loads.length), lastMs: median(waitsMs) },
    extra: { 'server %': serverUs / wallMs / 10, 'load %': loadUs / wallMs / 10 }
  }
}
