import { connect } from 'node:net'

const HEAD_END = '\r\n\r\n'
const LENGTH = /^content-length: *(\d+)/im

/**
 * Sends the same POST again and again on one connection, which it opens anew where the server has closed it. Cheap, and the same for
 * every server: what a client of Node's costs stands in the caches of the server that is measured.
 * @param {{ onEnd: (end: () => unknown) => void }} scope
 * @param {{ port: number, path: string, headers: Record<string, string>, body: string }} request
 * @returns {() => Promise<string>} sends one; resolves with the body of a 202, rejects for anything else
 */
export function createPoster (scope, { port, path, headers, body }) {
  const lines = { Host: `127.0.0.1:${port}`, ...headers, 'Content-Length': Buffer.byteLength(body) }
  const request = Buffer.from(`POST ${path} HTTP/1.1\r\n${Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`)
  let socket = null
  let text = ''
  let waiting = null

  const settle = (error, answer) => {
    const { resolve, reject } = waiting ?? {}
    waiting = null
    text = ''
    if (error !== null) reject?.(error)
    else resolve?.(answer)
  }
  const read = (part) => {
    text += part
    const end = text.indexOf(HEAD_END)
    const length = Number(LENGTH.exec(text)?.[1] ?? 0)
    if (end === -1 || text.length < end + HEAD_END.length + length) return
    if (text.startsWith('HTTP/1.1 202 ')) settle(null, text.slice(end + HEAD_END.length))
    else settle(new Error(`not taken: ${text.slice(0, 300)}`))
  }
  const open = () => {
    const opened = connect({ host: '127.0.0.1', port, noDelay: true }).setEncoding('latin1')
    let isUsed = false
    opened.on('data', (part) => { isUsed = true; read(part) }).on('error', () => {}).on('close', () => {
      if (socket !== opened) return
      socket = null
      // Sent into a connection that the server was closing after the answer before: nobody has read it.
      if (isUsed && waiting !== null && text === '') send()
      else settle(new Error('ended by the server without an answer'))
    })
    return opened
  }
  const send = () => {
    if (socket?.readableEnded !== false || socket.destroyed) socket = open()
    socket.write(request)
  }
  scope.onEnd(() => { socket?.destroy() })
  return () => new Promise((resolve, reject) => {
    waiting = { resolve, reject }
    send()
  })
}
