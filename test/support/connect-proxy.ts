import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Lifetime } from './gateway.js'

export interface ConnectProxy {
  readonly url: string
  /** What it was asked to open, as `host:port`, oldest first. */
  readonly asked: readonly string[]
  /** `Proxy-Authorization` of each of them; null: none. */
  readonly credentials: ReadonlyArray<string | null>
  /** Answers with this status from now on; 200: opens the way. */
  status: number
  /** Never answers from now on. */
  hangs: boolean
}

/** A forward proxy that opens tunnels (RFC 9110 section 9.3.6), each of them to this machine, whatever its name; ends with the test. */
export async function startConnectProxy (t: Lifetime): Promise<ConnectProxy> {
  const asked: string[] = []
  const credentials: Array<string | null> = []
  const sockets = new Set<Socket>()
  const server = createServer((_request, response) => { response.writeHead(405).end() })
  const proxy = { url: '', asked, credentials, status: 200, hangs: false }
  server.on('connection', (socket) => { sockets.add(socket) })
  server.on('connect', (request, socket: Socket, head: Buffer) => {
    asked.push(request.url ?? '')
    credentials.push(request.headers['proxy-authorization'] ?? null)
    if (proxy.hangs) return
    if (proxy.status !== 200) {
      socket.end(`HTTP/1.1 ${proxy.status} No\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    const target = connect(Number((request.url ?? '').split(':').at(-1)), '127.0.0.1')
    sockets.add(target)
    target.once('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.write(head)
      socket.pipe(target).pipe(socket)
    })
    target.on('error', () => { socket.destroy() })
    socket.on('error', () => { target.destroy() })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return proxy
}
