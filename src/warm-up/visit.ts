import { connect } from 'node:net'

/** Where a visitor goes. */
export interface Place { readonly port: number, readonly origin: string }

/** A close frame with 1000, masked with zeros (RFC 6455 section 5.5.1). */
const GOODBYE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
/** Of the head, and of the welcome after it, all that a visitor looks for. */
const WELCOMED = /^HTTP\/1\.1 101 [^]*?\r\n\r\n[^]/
const LOST_MS = 5000

/** Opens a connection with this token, waits for its welcome, and closes it. Resolves when the socket is closed, whatever became of it. */
export async function visit ({ port, origin }: Place, token: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let heard: string | null = ''
    socket.setEncoding('latin1').setNoDelay().setTimeout(LOST_MS, () => { socket.destroy() })
    socket.on('error', () => { socket.destroy() })
    socket.on('close', () => { resolve() })
    socket.on('data', (bytes: string) => {
      if (heard === null) return
      heard += bytes
      if (!WELCOMED.test(heard)) return
      heard = null
      socket.write(GOODBYE)
    })
    socket.write([
      `GET /ws?token=${token} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Connection: Upgrade', 'Upgrade: websocket', `Origin: ${origin}`,
      'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''
    ].join('\r\n'))
  })
}
