import type { RedisClient } from './client.js'

const AGAIN_MS = 1000

/**
 * Has a client connect again when its library has given up for good, as it does when it is told to leave a connection at the
 * moment of making one: a sentinel may tell of a fail-over just then. Returns how to stop it, which comes before closing.
 */
export function revive (client: RedisClient): () => void {
  let timer: NodeJS.Timeout | undefined
  const connectLater = (): void => {
    clearTimeout(timer)
    // A failed attempt ends the client again, and comes back here.
    timer = setTimeout(() => { client.connect().catch(() => {}) }, AGAIN_MS).unref()
  }
  client.on('end', connectLater)
  return () => {
    clearTimeout(timer)
    client.removeListener('end', connectLater)
  }
}
