import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js'
import type { PendingUpgrade, Socket, SocketHandlers, UpgradeHead, UpgradeHeaders } from '../connection/transport.js'
import { answer, rawQuery } from './uws-route.js'
import { UwsSocket, type UserData } from './uws-socket.js'

/** Header names of interest, and where they go. */
const HEADER_FIELDS: Readonly<Record<string, keyof UpgradeHeaders>> = {
  host: 'host',
  origin: 'origin',
  authorization: 'authorization',
  upgrade: 'upgrade',
  connection: 'connection',
  'sec-websocket-key': 'secWebSocketKey',
  'sec-websocket-version': 'secWebSocketVersion',
  'sec-websocket-protocol': 'secWebSocketProtocol',
  'sec-websocket-extensions': 'secWebSocketExtensions',
  'x-forwarded-for': 'forwardedFor'
}
/** `GET `, `?`, ` HTTP/1.1` and the line's end; `: ` and the line's end. */
const REQUEST_LINE_BYTES = 16
const HEADER_LINE_BYTES = 4
const NO_ADDRESS = new ArrayBuffer(0)
const HEADER_MAP = new Map(Object.entries(HEADER_FIELDS))

/**
 * Copies what is needed while the request is alive. `getQuery` is called once and without a key: with one it decodes in
 * place and later reads see parameters that nobody sent.
 */
export function copyHead (res: HttpResponse, req: HttpRequest, proxyProtocol: boolean): UpgradeHead {
  const headers: UpgradeHeaders = {
    host: '',
    origin: '',
    authorization: '',
    upgrade: '',
    connection: '',
    secWebSocketKey: '',
    secWebSocketVersion: '',
    secWebSocketProtocol: '',
    secWebSocketExtensions: '',
    forwardedFor: ''
  }
  const [path, query] = [req.getUrl(), rawQuery(req)]
  let bytes = path.length + query.length + REQUEST_LINE_BYTES
  // All lines, not `getHeader`: that shows only the first of several, which is the attacker's.
  req.forEach((name, value) => {
    bytes += name.length + value.length + HEADER_LINE_BYTES
    const field = HEADER_MAP.get(name)
    if (field !== undefined) headers[field] = headers[field] === '' ? value : `${headers[field]}, ${value}`
  })
  return { path, query, bytes, headers, peer: res.getRemoteAddress(), proxied: proxyProtocol ? res.getProxiedRemoteAddress() : NO_ADDRESS }
}

/** One native upgrade that waits for its answer. */
export class UwsUpgrade implements PendingUpgrade {
  head!: UpgradeHead
  onAborted: (() => void) | null = null
  /** The native callback is still running: its output is corked already. */
  inCallback = true
  private done = false

  constructor (private readonly res: HttpResponse, private readonly context: us_socket_context_t) {}

  abort (): void {
    if (this.done) return
    this.done = true
    this.onAborted?.()
  }

  refuse (status: number, headers: readonly (readonly [string, string])[], body: string): void {
    if (this.done) return
    this.done = true
    answer(this.res, { status, headers, body })
  }

  /**
   * Inside the cork nothing happens but the handshake: the older native layer looks, when the cork ends, at memory of the
   * request that the upgrade has given back, and closes the socket at once (1006) if an allocation since then left a
   * certain bit there. A socket that this still happens to counts as a client that has gone.
   */
  accept (protocol: string, onOpen: (socket: Socket) => SocketHandlers): boolean {
    if (this.done) return false
    this.done = true
    const { secWebSocketKey, secWebSocketExtensions } = this.head.headers
    const socket = new UwsSocket()
    const userData: UserData = { s: socket }
    const upgrade = (): void => {
      this.res.upgrade<UserData>(userData, secWebSocketKey, protocol, secWebSocketExtensions, this.context)
    }
    if (this.inCallback) upgrade()
    else this.res.cork(upgrade)
    return socket.start(onOpen)
  }
}
