import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below where the kernel takes ports for outgoing connections: any of those might be taken again a moment later. So is the
 * second port of a Redis Cluster's node, 10,000 above, in a range of its own. `fetch` refuses 10080, as browsers do: it
 * belongs to another protocol.
 */
const [FIRST, COUNT] = [10_100, 9_900]

/**
 * A TCP port of 127.0.0.1 that is free now and that nobody else who asks here is given until this process ends. It is
 * reserved by the UDP port of the same number: the kernel gives that back however the process ends.
 */
export async function findFreePort () {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    const reserved = createSocket('udp4')
    reserved.bind({ port, address: '127.0.0.1', exclusive: true })
    if (await once(reserved, 'listening').then(() => isFree(port), () => false)) {
      reserved.unref()
      return port
    }
    reserved.close()
  }
}

/** @param {number} port */
async function isFree (port) {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  const free = await once(server, 'listening').then(() => true, () => false)
  if (free) {
    server.close()
    await once(server, 'close')
  }
  return free
}
