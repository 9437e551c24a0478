// The limiter's Redis client alone, as a process of the gateway has it; asked over IPC for so many operations of one kind.
import { connectRedis } from '../../dist/redis/connect.js'
import { createRedisLimiter } from '../../dist/limits/redis/limiter.js'

const AT_ONCE = 64
const RENEWED_PER_CALL = 500
const connection = connectRedis({ url: process.env.REDIS_URL })
await connection.waitUntilUp(5000)
const settings = {
  addressConnections: 10, addressWindowMs: 60_000, userConnections: 5, leaseMs: 30_000, messages: 100, messageWindowMs: 60_000
}
const { commands } = connection
/** As on a cluster, where a call may touch one slot only. */
const perKey = {
  isCluster: true,
  evalsha: async (...args) => await commands.evalsha(...args),
  eval: async (...args) => await commands.eval(...args)
}
const records = { prefix: '', node: 'bench', mayRestore: () => true }
const limiters = {
  'many keys': createRedisLimiter(connection.commands, settings, { prefix: 'exact:', records }),
  // So high that nobody is refused: one key takes them all, counted in sub-windows.
  'one key': createRedisLimiter(connection.commands, { ...settings, addressConnections: 1e9, userConnections: 1e9, messages: 1e9 }, { prefix: 'counted:', records }),
  'one call per key': createRedisLimiter(perKey, settings, { prefix: 'separate:', records })
}

/** As long as a connection's. */
const RECORD = '["user-1234567","203.0.113.77","main","/ws/agents",0,1700000000000]'
let made = 0
const leasesTaken = []
const grantsTaken = []

/** An address, and a user, of its own for every operation, or one for all. */
const nameOf = oneKey => oneKey ? 'one' : `${made++}`
const newLease = (oneKey) => ({ owner: `user-${nameOf(oneKey)}`, connectionId: `connection-${made++}`, record: RECORD })

async function admit (limiter, oneKey) {
  const lease = newLease(oneKey)
  const { admitted } = await limiter.admit({ address: `10.${nameOf(oneKey)}`, resume: null, lease })
  if (!admitted) throw new Error('not admitted')
  leasesTaken.push(lease)
}

async function takeGrant (limiter, oneKey) {
  const address = `10.${nameOf(oneKey)}`
  const grant = await limiter.takeGrant({ address, demand: 1, spare: 16 }, [])
  if (grant.granted < 1) throw new Error('not granted')
  grantsTaken.push({ address, id: grant.id, granted: grant.granted, spent: 1, lastSpentMs: 0 })
}

async function inParallel (count, operation) {
  let left = count
  const worker = async () => { while (left-- > 0) await operation() }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** Redis answers in order: when this comes back, what was sent before it has been done. */
const untilDone = async () => {
  await new Promise((resolve) => { setImmediate(resolve) })
  await connection.commands.ping()
}

const operations = {
  pingEach: async (_limiter, count) => { await inParallel(count, async () => { await connection.commands.ping() }) },
  admit: async (limiter, count, oneKey) => { await inParallel(count, async () => { await admit(limiter, oneKey) }) },
  async renew (limiter, count) {
    for (let at = 0; at < count; at += RENEWED_PER_CALL) await limiter.renew(leasesTaken.slice(at, at + RENEWED_PER_CALL))
  },
  async release (limiter, count) {
    leasesTaken.splice(0, count).forEach(limiter.release)
    await untilDone()
  },
  takeGrant: async (limiter, count, oneKey) => { await inParallel(count, async () => { await takeGrant(limiter, oneKey) }) },
  async settle (limiter, count) {
    limiter.settle(grantsTaken.splice(0, count))
    await untilDone()
  }
}

process.on('message', async ({ operation, count, keys }) => {
  try {
    const cpu = process.cpuUsage()
    await operations[operation](limiters[keys], count, keys === 'one key')
    const { user, system } = process.cpuUsage(cpu)
    process.send({ cpuUs: user + system })
  } catch (error) {
    process.send({ failed: error.message })
  }
})
process.send({ ready: true })
