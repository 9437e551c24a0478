import { fileURLToPath } from 'node:url'
import { untilQuiet } from '../measure/cpu.js'
import { requireOpenFiles } from '../measure/memory.js'
import { runRounds } from '../measure/rounds.js'
import { upgradeSubject } from '../measure/upgrade-subject.js'
import { startLoad } from '../load/start-load.js'
import { startScript } from '../servers/child.js'
import { startGateway, UNLIMITED } from '../servers/gateway.js'
import { startIssuer, USERS } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'how server CPU per operation grows: connections, topics of each, addresses and leases in the limiter'
const UNIT = 'µs'
const MESSAGES = 20_000
const SENDERS = 64
const FRAME = JSON.stringify({ type: 'ping', id: 'x'.repeat(41) })
const DELIVERING = 100
const PUBLISHES = 500
const IDS_PER_FRAME = 50
const ADDRESSES = 1_000_000
/** With five open sockets each. */
const HOLDERS = 100_000
const UPGRADES = 4000
const WARM_UP = 8000

export async function run (scope, { rounds, progress }) {
  requireOpenFiles(10_000)
  const issuer = await startIssuer(scope)
  const pair = async (start, few, many) => [await start(scope, issuer, few, progress, { control: 'fewest' }), await start(scope, issuer, many, progress)]
  const parts = [
    async () => await pair(startMessages, 1000, 10_000),
    async () => await pair(startDeliveries, 1, 1000),
    async () => await startUpgrades(scope, issuer, progress)
  ]
  const rows = []
  for (const start of parts) {
    const subjects = await start()
    for (const { warmUp } of subjects) await warmUp()
    rows.push(...await runRounds(subjects, { rounds, unit: UNIT, progress }))
  }
  return rows
}

async function hold (scope, { issuer, count, env, claims, path = '/ws?', progress, frames = 1 }) {
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, env })
  const load = await startLoad(scope, 'connections')
  progress(`opening ${count} connections`)
  const targets = Array.from({ length: Math.ceil(count / 5) }, (_, n) => `${path}token=${issuer.token({ sub: `growth-${n}`, ...claims })}`)
  await load.ask({ op: 'connect', port: server.port, targets, count, firstAddress: 0, greeting: { frames } })
  return { redis, server, load }
}

/** One frame answered, the same 64 clients sending, while so many connections are open. */
async function startMessages (scope, issuer, count, progress, more) {
  const { server, load } = await hold(scope, { issuer, count, env: { WS_IP_MESSAGES: UNLIMITED }, progress })
  const drive = async () => {
    await load.ask({ op: 'echo', text: FRAME, total: MESSAGES, active: SENDERS })
    await untilQuiet([server.pid])
  }
  return cpuSubject(`a frame answered, ${count.toLocaleString('en')} connections`, server, drive, MESSAGES, more)
}

/** One delivery, while each of the connections follows so many topics. */
async function startDeliveries (scope, issuer, topics, progress, more) {
  const env = { WS_SUBSCRIBES_PER_S: UNLIMITED, WS_IP_MESSAGES: UNLIMITED }
  const { redis, server, load } = await hold(scope, {
    issuer, count: DELIVERING, env, claims: { agents: '*' }, path: '/ws?agent_ids=topic-0&', progress, frames: 2
  })
  const ids = Array.from({ length: topics }, (_, n) => `topic-${n}`)
  const texts = []
  for (let at = 0; at < topics; at += IDS_PER_FRAME) {
    texts.push(JSON.stringify({ type: 'subscribe', agent_ids: ids.slice(at, at + IDS_PER_FRAME) }))
  }
  await load.ask({ op: 'sendEach', texts })
  const text = JSON.stringify({ event: 'bench', data: 'x'.repeat(512) })
  const drive = async () => {
    let { frames } = await load.ask({ op: 'mark' })
    for (let n = 0; n < PUBLISHES; n++) {
      frames += DELIVERING
      await redis.client.publish(`ws:topic:agent:topic-${n % topics}`, text)
      await load.ask({ op: 'until', count: frames })
    }
    await untilQuiet([server.pid])
  }
  const name = `a delivery, 100 connections with ${topics.toLocaleString('en')} topic${topics === 1 ? '' : 's'} each`
  return cpuSubject(name, server, drive, PUBLISHES * DELIVERING, more)
}

/** One upgrade with a known token, when the limiter knows few addresses and a million, and when 500,000 sockets are open elsewhere. */
async function startUpgrades (scope, issuer, progress) {
  const load = await startLoad(scope, 'upgrade')
  const known = Array.from({ length: USERS }, () => `/ws?token=${issuer.token()}`)
  const start = async (name, content, more) => {
    const redis = await startRedis(scope)
    const server = await startGateway(scope, { issuer, redis, env: { WS_IP_WINDOW_S: '3600' } })
    const subject = upgradeSubject(name, { load, server, redis, targets: () => known, operations: UPGRADES, linesEach: 2, ...more })
    if (content !== null) {
      progress(`filling the limiter: ${name}`)
      await fill(scope, redis, content)
    }
    return { ...subject, warmUp: async () => { await subject.warmUp(WARM_UP) } }
  }
  return [
    await start('an upgrade, known token, only the bench’s own addresses', null, { control: 'fewest' }),
    await start('an upgrade, known token, 1,000,000 addresses more', { addresses: ADDRESSES }),
    await start('an upgrade, known token, 100,000 users more with 5 open sockets each', { users: HOLDERS })
  ]
}

async function fill (scope, redis, content) {
  const child = await startScript(fileURLToPath(new URL('../servers/fill-limiter.js', import.meta.url)), { REDIS_URL: redis.url })
  scope.onEnd(child.stop)
  await child.ask(content, 300_000)
}

function cpuSubject (name, server, drive, operations, more) {
  const measure = async () => {
    const before = server.cpuUs()
    await drive()
    return { value: (server.cpuUs() - before) / operations }
  }
  return { name, measure, warmUp: drive, ...more }
}
