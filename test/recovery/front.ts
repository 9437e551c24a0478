import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Lifetime } from '../support/gateway.js'

/** Shares connections out to the gateways that take them, as a load balancer does; it ends with the test. Resolves with its port. */
export async function startFront (t: Lifetime, ports: readonly number[]): Promise<number> {
  const open = new Set<Socket>()
  let turn = 0
  const server = createServer({ pauseOnConnect: true }, (near) => {
    open.add(near)
    near.on('error', () => {})
    near.on('close', () => { open.delete(near) })
    reach(near, turn++, ports.length)
  })

  function reach (near: Socket, place: number, tries: number): void {
    if (tries === 0 || near.destroyed) {
      near.destroy()
      return
    }
    const far = connect(ports[place % ports.length] ?? 0, '127.0.0.1')
    let isThere = false
    open.add(far)
    far.on('error', () => {})
    far.on('close', () => {
      open.delete(far)
      if (isThere) near.destroy()
      else reach(near, place + 1, tries - 1)
    })
    far.on('connect', () => {
      isThere = true
      near.setNoDelay(true)
      far.setNoDelay(true)
      near.on('close', () => { far.destroy() })
      near.pipe(far)
      far.pipe(near)
      near.resume()
    })
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of open) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}
