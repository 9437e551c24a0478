import { connect } from 'node:net'
import { MISSED_ANSWER, MISSED_WISH } from './missed-events.js'

/** Where a visitor goes. */
export interface Place { readonly port: number, readonly origin: string }

/** A close frame with 1000, masked with zeros (RFC 6455 section 5.5.1). */
const GOODBYE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
/** The visitor's one text frame, masked with zeros: it is short enough for a length of one byte (section 5.2). */
const WISH = Buffer.concat([Buffer.from([0x81, 0x80 | MISSED_WISH.length, 0, 0, 0, 0]), Buffer.from(MISSED_WISH)])
/** Of the head, and of the welcome after it, all that a visitor looks for. */
const WELCOMED = /^HTTP\/1\.1 101 [^]*?\r\n\r\n[^]/
const LOST_MS = 5000

/**
 * Opens a connection with this token, waits for its welcome, asks for what it missed if it wishes to, waits for the answer, and closes
 * it. Resolves when the socket is closed, whatever became of it.
 */
export async function visit ({ port, origin }: Place, token: string, wishes: boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    /** What is said when this has been heard, one after the other. */
    const talk = [...wishes ? [{ until: WELCOMED, say: WISH }] : [], { until: wishes ? MISSED_ANSWER : WELCOMED, say: GOODBYE }]
    let heard = ''
    socket.setEncoding('latin1').setNoDelay().setTimeout(LOST_MS, () => { socket.destroy() })
    socket.on('error', () => { socket.destroy() })
    socket.on('close', () => { resolve() })
    socket.on('data', (bytes: string) => {
      const [next] = talk
      if (next === undefined) return
      heard += bytes
      if (!next.until.test(heard)) return
      talk.shift()
      heard = ''
      socket.write(next.say)
    })
    socket.write([
      `GET /ws?token=${token} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Connection: Upgrade', 'Upgrade: websocket', `Origin: ${origin}`,
      'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''
    ].join('\r\n'))
  })
}
