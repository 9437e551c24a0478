import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below where the kernel takes ports for outgoing connections: any of those might be taken again a moment later. So is the
 * second port of a Redis Cluster's node, 10,000 above. `fetch` refuses 10080, as browsers do: it belongs to another protocol.
 */
const [FIRST, COUNT] = [10_100, 11_900]

/** A port that was free a moment ago, and that no connection takes by itself. */
export async function findFreePort (): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    const server = createServer()
    const listening = once(server, 'listening').then(() => true, () => false)
    server.listen(port, '127.0.0.1')
    if (!await listening) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
