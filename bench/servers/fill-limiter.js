// Fills the limiter's store with addresses that have made one attempt each, an hour's window.
import { connectRedis } from '../../dist/redis/connect.js'
import { createRedisLimiter } from '../../dist/limits/redis/limiter.js'

const AT_ONCE = 2000
const connection = connectRedis({ url: process.env.REDIS_URL })
await connection.waitUntilUp(5000)
const limiter = createRedisLimiter(connection.commands, {
  addressConnections: 10, addressWindowMs: 3_600_000, userConnections: 5, leaseMs: 30_000, messages: 100, messageWindowMs: 60_000
}, { prefix: '', callTimeoutMs: 30_000 })

process.on('message', async ({ addresses }) => {
  try {
    for (let at = 0; at < addresses; at += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, async (_, i) => {
        const n = at + i
        await limiter.admit({ address: `${20 + (n >> 16)}.0.${(n >> 8) & 255}.${n & 255}`, resume: null, lease: null })
      }))
    }
    process.send({ filled: addresses })
  } catch (error) {
    process.send({ failed: error.message })
  }
})
process.send({ ready: true })
