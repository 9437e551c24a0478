import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * A TCP relay that fails as it is told. The far side sees the address of the near one.
 * @typedef {Awaited<ReturnType<typeof startRelay>>} Relay
 */

/** @param {number} targetPort on loopback @param {number} [port] its own; without it, any that is free */
export async function startRelay (targetPort, port = 0) {
  /** @type {Set<Pair>} */
  const pairs = new Set()
  const disturbances = []
  let isSwallowing = false
  let losesAnswer = () => false

  /**
   * @typedef {{ near: import('node:net').Socket, far: import('node:net').Socket, isDead: boolean, isLosing: boolean }} Pair
   */
  const server = createServer((near) => {
    const far = connect({ port: targetPort, host: '127.0.0.1', localAddress: near.remoteAddress })
    const pair = { near, far, isDead: false, isLosing: false }
    pairs.add(pair)
    const isHeard = () => !isSwallowing && !pair.isDead
    for (const [socket, other] of [[near, far], [far, near]]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', (isReset) => {
        // Who has vanished tells nobody of an end. An orderly one comes after all that was said before it.
        if (isHeard()) {
          if (isReset) other.destroy()
          else other.end()
        }
        if (near.destroyed && far.destroyed) pairs.delete(pair)
      })
    }
    near.on('data', (bytes) => {
      if (!isHeard()) return
      if (losesAnswer()) pair.isLosing = true
      far.write(bytes)
    })
    far.on('data', (bytes) => {
      if (!isHeard()) return
      // It has been done: what it was answered nobody hears.
      if (pair.isLosing) return near.destroy()
      near.write(bytes)
    })
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')

  const disturb = () => {
    const one = { fromMs: Date.now(), toMs: Infinity }
    disturbances.push(one)
    return () => { one.toMs = Date.now() }
  }
  return {
    port: server.address().port,
    /** Something was done to connections between the two. */
    wasDisturbed: (fromMs, toMs) => disturbances.some(one => one.fromMs <= toMs && one.toMs >= fromMs),
    /** Breaks every connection. */
    cut () {
      disturb()()
      for (const { near, far } of pairs) {
        near.destroy()
        far.destroy()
      }
    },
    /**
     * From now on nothing comes through. What is called to end it lets new connections through; those that were there stay open
     * and say nothing more, on the `left` side for ever.
     * @param {'near' | 'far' | 'both'} left
     */
    swallow (left) {
      const end = disturb()
      isSwallowing = true
      return () => {
        for (const pair of pairs) {
          pair.isDead = true
          if (left === 'near') pair.far.destroy()
          if (left === 'far') pair.near.destroy()
        }
        isSwallowing = false
        end()
      }
    },
    /** Each request loses its answer, and its connection, when `chooses` says so. @param {() => boolean} chooses */
    loseAnswers (chooses) {
      losesAnswer = chooses
      return () => { losesAnswer = () => false }
    },
    async stop () {
      for (const { near, far } of pairs) {
        near.destroy()
        far.destroy()
      }
      server.close()
      await once(server, 'close')
    }
  }
}
