import { connect } from 'node:net'

export const HANDSHAKE = 'Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n'
const TEXT = 1
const CLOSE = 8
const PING = 9
const PONG_FLAGS = 0x8A
const HEAD_END = Buffer.from('\r\n\r\n')
/** One buffer for all sockets: what is read into it is used before the next read. */
const shared = Buffer.allocUnsafe(1 << 18)

/** A text frame from a client, its mask all zeros, so that it is cheap to make. @param {string} text */
export function encodeFrame (text) {
  const payload = Buffer.from(text)
  const head = payload.length < 126
    ? Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0])
    : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0])
  return Buffer.concat([head, payload])
}

/**
 * Reads frames of a server as they come, whole or in parts.
 * @param {(opcode: number, payload: Buffer) => void} onFrame the payload is only good until it returns
 */
function createFrameReader (onFrame) {
  /** @type {Buffer | null} */
  let rest = null
  return (part) => {
    let data = rest === null ? part : Buffer.concat([rest, part])
    for (;;) {
      const size = frameSize(data)
      if (size === null || data.length < size.start + size.length) break
      onFrame(data[0] & 15, data.subarray(size.start, size.start + size.length))
      data = data.subarray(size.start + size.length)
    }
    rest = data.length === 0 ? null : Buffer.from(data)
  }
}

function frameSize (data) {
  if (data.length < 2) return null
  const short = data[1] & 127
  if (short < 126) return { start: 2, length: short }
  if (short === 126) return data.length < 4 ? null : { start: 4, length: data.readUInt16BE(2) }
  return data.length < 10 ? null : { start: 10, length: Number(data.readBigUInt64BE(2)) }
}

/**
 * A WebSocket client on a bare socket that answers pings, cheap enough to hold thousands beside the server that is measured.
 * @param {{ port: number, target: string, localAddress: string }} where
 * @param {{ onText: (payload: Buffer) => void, onError: (error: Error) => void, onOpen?: () => void }} handlers `onOpen`: the
 * server has switched protocols; `onError`: refused, failed, or ended by the server
 */
export function openClient ({ port, target, localAddress }, { onText, onError, onOpen = () => {} }) {
  const readFrames = createFrameReader((opcode, payload) => {
    if (opcode === TEXT) onText(payload)
    else if (opcode === CLOSE && payload.length > 1) why = `: ${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`
    else if (opcode === PING) socket.write(Buffer.concat([Buffer.from([PONG_FLAGS, 0x80 | payload.length, 0, 0, 0, 0]), payload]))
  })
  /** @type {Buffer | null} */
  let head = Buffer.alloc(0)
  let ended = false
  let why = ''
  const fail = (error) => {
    if (ended) return
    ended = true
    socket.destroy()
    onError(error)
  }
  const readHead = (part) => {
    head = Buffer.concat([head, part])
    const end = head.indexOf(HEAD_END)
    if (end === -1) return
    const rest = head.subarray(end + HEAD_END.length)
    if (head.latin1Slice(9, 12) !== '101') return fail(new Error(`not accepted: ${head.toString('latin1', 0, 300)}`))
    head = null
    onOpen()
    if (rest.length > 0) readFrames(rest)
  }
  const socket = connect({
    host: '127.0.0.1',
    port,
    localAddress,
    noDelay: true,
    onread: {
      buffer: shared,
      callback (size) {
        const part = shared.subarray(0, size)
        if (head === null) readFrames(part)
        else readHead(part)
        return true
      }
    }
  })
  socket.on('error', fail)
  socket.on('close', () => { fail(new Error(`ended by the server${why}`)) })
  socket.write(`GET ${target} HTTP/1.1\r\n${HANDSHAKE}`)
  return {
    /** @param {Buffer} frame */
    send (frame) { socket.write(frame) },
    reset () {
      ended = true
      socket.resetAndDestroy()
    }
  }
}
