import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Lifetime } from './gateway.js'

/** A TCP relay between the gateway and something it depends on, with faults at will. */
export interface TcpProxy {
  readonly port: number
  /** Connections taken so far. */
  readonly connections: () => number
  /** Whatever the other side says from now on arrives so much later, in ms, in order. */
  delayReplies (delayMs: number): void
  /** Further connections go to this port. */
  retarget (port: number): void
  /** The next request that holds this text arrives, and its connection breaks in place of the answer. */
  loseAnswerTo (text: string): void
  /** Whether that has happened. */
  readonly lost: () => boolean
  /** Breaks every open connection. */
  cut (): void
}

/** Starts a relay to a port on loopback; it ends with the test. */
export async function startTcpProxy (t: Lifetime, targetPort: number): Promise<TcpProxy> {
  const open = new Set<Socket>()
  const timers = new Set<NodeJS.Timeout>()
  let connections = 0
  let target = targetPort
  let delayMs = 0
  let losing: string | null = null
  const unanswered = new Set<Socket>()

  /** Makes what runs things later, each after those before it: one with a shorter delay waits for them. */
  function createQueue (): (run: () => void) => void {
    let lastAtMs = 0
    const queue: Array<() => void> = []
    return (run) => {
      if (delayMs === 0 && queue.length === 0) return run()
      const nowMs = performance.now()
      lastAtMs = Math.max(lastAtMs, nowMs + delayMs)
      // Timers of different lengths may end in another order than their times have.
      queue.push(run)
      const timer = setTimeout(() => {
        timers.delete(timer)
        queue.shift()?.()
      }, lastAtMs - nowMs)
      timers.add(timer)
    }
  }
  const server = createServer((near) => {
    connections++
    const far = connect(target, '127.0.0.1')
    const later = createQueue()
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        other.destroy()
      })
    }
    near.on('data', (bytes) => {
      if (losing !== null && bytes.includes(losing)) {
        losing = null
        unanswered.add(far)
      }
      far.write(bytes)
    })
    far.on('data', (bytes) => {
      if (unanswered.has(far)) near.destroy()
      else later(() => { near.write(bytes) })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => { for (const socket of open) socket.destroy() }
  t.teardown(async () => {
    for (const timer of timers) clearTimeout(timer)
    cut()
    server.close()
    await once(server, 'close')
  })
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    delayReplies: (ms) => { delayMs = ms },
    retarget: (port) => { target = port },
    loseAnswerTo (text) {
      losing = text
      unanswered.clear()
    },
    lost: () => losing === null && unanswered.size > 0,
    cut
  }
}
