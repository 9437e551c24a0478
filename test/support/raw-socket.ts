import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until } from './until.js'
import type { Lifetime, TestGateway } from './gateway.js'

/** A plain TCP client: for what no WebSocket library would send. */
export interface RawSocket {
  readonly socket: Socket
  write (bytes: string | Buffer): void
  /** Everything received so far, byte for byte. */
  received (): string
  /** Resolves once the peer has ended the connection. */
  readonly closed: Promise<void>
}

export interface RawResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Resolves at the end of a socket, a reset included, at which `once` of node:events rejects. */
export async function untilClosed (socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) })
}

/** Opens a TCP connection from a loopback address. */
export async function openRaw (t: Lifetime, port: number, from = '127.0.0.1', host = '127.0.0.1'): Promise<RawSocket> {
  const socket = connect({ port, host, ...(host === '127.0.0.1' ? { localAddress: from } : {}) })
  let text = ''
  socket.setNoDelay(true)
  socket.setEncoding('latin1').on('data', (part: string) => { text += part })
  socket.on('error', () => { /* resets are what some tests are about */ })
  const closed = untilClosed(socket)
  t.teardown(() => { socket.destroy() })
  await once(socket, 'connect')
  return { socket, write: (bytes) => { if (socket.writable) socket.write(bytes) }, received: () => text, closed }
}

/** The head of an upgrade request; a header given as `undefined` is left out, further ones are added. */
export function upgradeHead (path: string, headers: Readonly<Record<string, string | readonly string[] | undefined>> = {}, version = 'HTTP/1.1'): string {
  const all = {
    Host: 'localhost', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13', ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => value === undefined ? [] : [value].flat().map(one => `${name}: ${one}`))
  return `GET ${path} ${version}\r\n${lines.join('\r\n')}\r\n\r\n`
}

function parseResponse (text: string): RawResponse | null {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return null
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = new Map(lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
  const length = Number(headers.get('content-length') ?? 0)
  const body = text.slice(end + 4, end + 4 + length)
  return body.length < length ? null : { status: Number(first.split(' ')[1]), headers, body }
}

/** Waits for one whole HTTP response; null when the connection ended without one. */
export async function readResponse (raw: RawSocket): Promise<RawResponse | null> {
  await until('an HTTP response or the end', () => parseResponse(raw.received()) !== null || raw.socket.destroyed)
  return parseResponse(raw.received())
}

/** Sends a request in pieces, each in a read of its own where the machine lets it, and reads the answer. */
export async function exchange (
  t: Lifetime, gateway: Pick<TestGateway, 'port' | 'admin'>, pieces: string | readonly string[], from: string
): Promise<RawResponse | null> {
  const raw = await openRaw(t, gateway.port, from)
  for (const [index, piece] of [pieces].flat().entries()) {
    // A round trip through the same event loop: what was written before has been read by then.
    if (index > 0) await gateway.admin('/healthz')
    raw.write(piece)
  }
  const response = await readResponse(raw)
  raw.socket.destroy()
  return response
}
