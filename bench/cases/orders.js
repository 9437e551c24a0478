import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requireOpenFiles } from '../measure/memory.js'
import { runRounds } from '../measure/rounds.js'
import { startLoad } from '../load/start-load.js'
import { startScript } from '../servers/child.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'the longest turn of the event loop, CPU of its thread, while all orders that Redis keeps are read anew; 5,000 connections are open'
const ORDERS = 100_000
const CONNECTIONS = 5000
const PER_USER = 5
const UNIT = 'ms'
const MOST_MS = 10
const PROBE = fileURLToPath(new URL('../servers/longest-turn.js', import.meta.url))
const FILL = fileURLToPath(new URL('../servers/fill-orders.js', import.meta.url))
const READINGS = /^cmdstat_(?:hscan|zscan|zrange|zrangebyscore):calls=(\d+)/gm
/** A reading is over when Redis is not asked for more for this time. */
const QUIET_MS = 1000
const TIMEOUT_MS = 120_000

/** @param {number} ms */
const pause = ms => new Promise((resolve) => { setTimeout(resolve, ms) })

/** `operations`: revocations, and as many bans. */
export async function run (scope, { rounds, operations: orders = ORDERS, progress, before }) {
  requireOpenFiles(CONNECTIONS)
  const issuer = await startIssuer(scope)
  const start = async (name, count, more, root) =>
    ({ name, ...await startSubject(scope, { issuer, orders: count, root, progress, name }), ...more })
  const many = `${orders.toLocaleString('en')} revocations and as many bans`
  const subjects = [
    await start('portcullis, no orders', 0, { control: 'fewest' }),
    await start(`portcullis, ${many}`, orders, { targetMax: MOST_MS }),
    ...(before === undefined ? [] : [await start(`before, ${many}`, orders, { control: 'before' }, before)])
  ]
  for (const { measure } of subjects) await measure()
  return await runRounds(subjects, { rounds, unit: UNIT, progress })
}

async function startSubject (scope, { issuer, orders, root, progress, name }) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-turns-'))
  scope.onEnd(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'longest-turn')
  const redis = await startRedis(scope)
  progress(`filling Redis with ${orders} orders`)
  if (orders > 0) await fill(redis, orders)
  const server = await startGateway(scope, { issuer, redis, root, execArgv: ['--import', PROBE], env: { LONGEST_TURN_FILE: file } })
  const load = await startLoad(scope, 'connections')
  progress(`opening connections: ${name}`)
  const targets = Array.from({ length: CONNECTIONS / PER_USER }, (_, n) => `/ws?token=${issuer.token({ sub: `orders-${n}` })}`)
    .flatMap(target => Array.from({ length: PER_USER }, () => target))
  await load.ask({ op: 'connect', port: server.port, targets, count: CONNECTIONS, firstAddress: 0 })
  await untilRead(redis)
  return { measure: async () => await measureOnce(server, redis, file) }
}

async function fill (redis, count) {
  const child = await startScript(FILL, { REDIS_URL: redis.url })
  await child.ask({ count }, TIMEOUT_MS)
  await child.stop()
}

const countReadings = async ({ client }) =>
  [...(await client.info('commandstats')).matchAll(READINGS)].reduce((sum, [, calls]) => sum + Number(calls), 0)

async function untilRead (redis) {
  for (let last = -1, now = await countReadings(redis); now !== last;) {
    await pause(QUIET_MS)
    last = now
    now = await countReadings(redis)
  }
}

/** A subscriber that was lost may have missed orders: all are read anew. */
async function measureOnce (server, redis, file) {
  server.signal('SIGUSR2')
  const readBefore = await countReadings(redis)
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await pause(QUIET_MS)
  await untilRead(redis)
  const slices = await countReadings(redis) - readBefore
  rmSync(file, { force: true })
  server.signal('SIGUSR2')
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') await pause(10)
  return { value: Number(readFileSync(file, 'utf8')) / 1000, extra: { 'slices read': slices } }
}
