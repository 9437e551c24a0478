// Fills the limiter's store with addresses that have made one attempt each, an hour's window; and with the open sockets of users,
// whose leases last an hour.
import { connectRedis } from '../../dist/redis/connect.js'
import { createRedisLimiter } from '../../dist/limits/redis/limiter.js'

const AT_ONCE = 2000
const SOCKETS = 5
const connection = connectRedis({ url: process.env.REDIS_URL })
await connection.waitUntilUp(5000)
const limiter = createRedisLimiter(connection.commands, {
  addressConnections: 10, addressWindowMs: 3_600_000, userConnections: SOCKETS, leaseMs: 3_600_000, messages: 100, messageWindowMs: 60_000
}, { prefix: '', callTimeoutMs: 30_000 })

async function inBatches (count, admit) {
  for (let at = 0; at < count; at += AT_ONCE) {
    const judged = await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - at) }, async (_, i) => await admit(at + i)))
    if (judged.some(({ admitted }) => !admitted)) throw new Error('the limiter took not all')
  }
}

const admitAddress = async n =>
  await limiter.admit({ address: `${20 + (n >> 16)}.0.${(n >> 8) & 255}.${n & 255}`, resume: null, lease: null })

const openSocket = async n =>
  await limiter.admit({ address: null, resume: null, lease: { owner: `held-${Math.floor(n / SOCKETS)}`, connectionId: `held-${n}`, record: '' } })

process.on('message', async ({ addresses = 0, users = 0 }) => {
  try {
    await inBatches(addresses, admitAddress)
    await inBatches(users * SOCKETS, openSocket)
    process.send({ filled: addresses + users })
  } catch (error) {
    process.send({ failed: error.message })
  }
})
process.send({ ready: true })
