import type { HttpRequest as NativeRequest, HttpResponse, TemplatedApp, WebSocket, us_listen_socket, us_socket_context_t } from 'uWebSockets.js'
import { CannotStart } from '../cannot-start.js'
import { addressFromBytes } from '../address/client-address.js'
import type { PendingUpgrade, Socket, SocketHandlers, UpgradeHead, UpgradeHeaders } from '../connection/transport.js'
import type { Binding } from './binding.js'
import { statusLine, type HttpAnswer, type HttpRoute } from './http-route.js'
import { readBody } from './read-body.js'

export interface ServerSettings {
  readonly host: string
  readonly port: number
  readonly tls: { readonly certFile: string, readonly keyFile: string } | null
  /** One process alone on its port: a second program on it is an error, not a silent sharer. */
  readonly exclusivePort: boolean
  readonly maxFrameBytes: number
  readonly maxBufferedBytes: number
  readonly compression: boolean
  readonly proxyProtocol: boolean
  readonly idleTimeoutS: number
}

export interface ServerHandlers {
  /** WebSocket paths. */
  readonly paths: readonly string[]
  readonly routes: readonly HttpRoute[]
  onUpgrade (upgrade: PendingUpgrade): void
  /** A request that is neither an upgrade nor on a route. */
  onOther (path: string, isUpgrade: boolean): HttpAnswer
  /** Something threw where nothing may: logged; the request was answered 503. */
  onFault (error: unknown): void
}

export interface Server {
  /** Listens; resolves with the port. Rejects when the address cannot be had. */
  listen (): Promise<number>
  /** Sends a text frame to every socket that joined the topic. */
  publish (topic: string, text: string): void
  /** Takes no further connections. */
  stopListening (): void
  /** Drops what is still open. */
  close (): void
}

/** The native cap sits this far above the limit, so that a client just over it can be told 1009 before the drop. */
const FRAME_MARGIN_BYTES = 262_144
/** `ws.end` only gets through while the buffer is below the native cap, so the soft limit stays this far below it. */
const BUFFER_MARGIN_BYTES = 1_048_576

const FAULT: HttpAnswer = {
  status: 503, headers: [['Content-Type', 'application/json'], ['Retry-After', '1']], body: '{"error":"unavailable","message":"the request could not be handled"}'
}

interface UserData { readonly s: UwsSocket }

/** Builds the native server. Nothing thrown by a handler reaches the native layer, which would end the process. */
export function createUwsServer ({ uws }: Binding, settings: ServerSettings, handlers: ServerHandlers): Server {
  const { tls } = settings
  const app = tls === null ? uws.App() : uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile })
  for (const path of handlers.paths) {
    app.ws<UserData>(path, {
      maxPayloadLength: settings.maxFrameBytes + FRAME_MARGIN_BYTES,
      maxBackpressure: settings.maxBufferedBytes + BUFFER_MARGIN_BYTES,
      closeOnBackpressureLimit: true,
      idleTimeout: settings.idleTimeoutS,
      sendPingsAutomatically: false,
      maxLifetime: 0,
      compression: settings.compression ? uws.SHARED_COMPRESSOR : uws.DISABLED,
      upgrade: (res, req, context) => { startUpgrade(res, req, context, handlers, settings.proxyProtocol) },
      open: (ws) => { const { s } = ws.getUserData(); guard(handlers, () => { s.open(ws) }) },
      message: (ws, data, isBinary) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onMessage(data, isBinary) }) },
      ping: (ws) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onPing() }) },
      drain: (ws) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onDrain() }) },
      close: (ws, code) => { const { s } = ws.getUserData(); guard(handlers, () => { s.closed(code) }) }
    })
  }
  for (const route of handlers.routes) addRoute(app, route, handlers)
  app.any('/*', (res, req) => {
    guard(handlers, () => {
      res.onAborted(() => {})
      answer(res, handlers.onOther(req.getUrl(), req.getHeader('upgrade').toLowerCase() === 'websocket'))
    })
  })
  return createListener(uws, app, settings)
}

function createListener (uws: Binding['uws'], app: TemplatedApp, settings: ServerSettings): Server {
  let listening: us_listen_socket | null = null
  let closed = false
  const stopListening = (): void => {
    if (listening !== null) uws.us_listen_socket_close(listening)
    listening = null
  }
  return {
    listen: () => new Promise((resolve, reject) => {
      const options = settings.exclusivePort ? uws.ListenOptions?.LIBUS_LISTEN_EXCLUSIVE_PORT ?? exclusiveOption(uws) : 0
      const listen = app.listen.bind(app) as unknown as (host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void) => void
      listen(settings.host, settings.port, options, (socket) => {
        if (socket === false) return reject(new CannotStart(`cannot listen on ${settings.host}:${settings.port}: the address is taken or not ours`))
        listening = socket
        resolve(uws.us_socket_local_port(socket as unknown as Parameters<typeof uws.us_socket_local_port>[0]))
      })
    }),
    publish: (topic, text) => { app.publish(topic, text) },
    stopListening,
    close: () => {
      // Closing the app before its listen socket crashes the native layer.
      stopListening()
      if (!closed) app.close()
      closed = true
    }
  }
}

/** Both bindings export the option as a plain constant; the types show it as an enum. */
function exclusiveOption (uws: Binding['uws']): number {
  return (uws as unknown as { LIBUS_LISTEN_EXCLUSIVE_PORT: number }).LIBUS_LISTEN_EXCLUSIVE_PORT
}

function guard (handlers: ServerHandlers, run: () => void): void {
  try { run() } catch (error) { handlers.onFault(error) }
}

function startUpgrade (res: HttpResponse, req: NativeRequest, context: us_socket_context_t, handlers: ServerHandlers, proxyProtocol: boolean): void {
  const upgrade = new UwsUpgrade(res, context)
  // First of all: an answer that is still owed when the client leaves ends the process without this.
  res.onAborted(() => { upgrade.abort(handlers) })
  try {
    upgrade.head = copyHead(res, req, proxyProtocol)
    handlers.onUpgrade(upgrade)
    upgrade.inCallback = false
  } catch (error) {
    handlers.onFault(error)
    upgrade.inCallback = false
    upgrade.refuse(FAULT.status, FAULT.headers, FAULT.body)
  }
}

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

/** Copies what is needed while the request is alive. `getQuery` is called once and without a key: with one it decodes in place and later reads see parameters that nobody sent. */
function copyHead (res: HttpResponse, req: NativeRequest, proxyProtocol: boolean): UpgradeHead {
  const headers: UpgradeHeaders = {
    host: '', origin: '', authorization: '', upgrade: '', connection: '', secWebSocketKey: '', secWebSocketVersion: '', secWebSocketProtocol: '', secWebSocketExtensions: '', forwardedFor: ''
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

/** The older binding answers `undefined` where there is no query at all. */
const rawQuery = (req: NativeRequest): string => (req.getQuery() as string | undefined) ?? ''

class UwsUpgrade implements PendingUpgrade {
  head!: UpgradeHead
  onAborted: (() => void) | null = null
  /** The native callback is still running: its output is corked already. */
  inCallback = true
  private done = false

  constructor (private readonly res: HttpResponse, private readonly context: us_socket_context_t) {}

  abort (handlers: ServerHandlers): void {
    if (this.done) return
    this.done = true
    guard(handlers, () => { this.onAborted?.() })
  }

  refuse (status: number, headers: readonly (readonly [string, string])[], body: string): void {
    if (this.done) return
    this.done = true
    answer(this.res, { status, headers, body })
  }

  accept (protocol: string, onOpen: (socket: Socket) => SocketHandlers): boolean {
    if (this.done) return false
    this.done = true
    const { secWebSocketKey, secWebSocketExtensions } = this.head.headers
    const upgrade = (): void => {
      this.res.upgrade<UserData>({ s: new UwsSocket(onOpen) }, secWebSocketKey, protocol, secWebSocketExtensions, this.context)
    }
    if (this.inCallback) upgrade()
    else this.res.cork(upgrade)
    return true
  }
}

class UwsSocket implements Socket {
  handlers: SocketHandlers | null = null
  private ws: WebSocket<UserData> | null = null
  private closedCode: number | null = null

  constructor (private onOpen: ((socket: Socket) => SocketHandlers) | null) {}

  open (ws: WebSocket<UserData>): void {
    this.ws = ws
    this.handlers = this.onOpen?.(this) ?? null
    this.onOpen = null
    // A socket ended while it was being opened closed before its handlers were known.
    if (this.closedCode !== null) this.closed(this.closedCode)
  }

  closed (code: number): void {
    this.ws = null
    this.closedCode = code
    this.handlers?.onClose(code)
    this.handlers = null
  }

  send (text: string): boolean { return this.ws === null || this.ws.send(text) !== 2 }
  bufferedBytes (): number { return this.ws === null ? 0 : this.ws.getBufferedAmount() }
  end (code: number, reason: string): void { this.ws?.end(code, reason) }
  ping (): void { this.ws?.ping() }
  terminate (): void { this.ws?.close() }
  subscribe (topic: string): void { this.ws?.subscribe(topic) }
  unsubscribe (topic: string): void { this.ws?.unsubscribe(topic) }
}

function answer (res: HttpResponse, { status, headers, body }: HttpAnswer): void {
  res.cork(() => {
    res.writeStatus(statusLine(status))
    for (const [name, value] of headers) res.writeHeader(name, value)
    res.end(body, true)
  })
}

function addRoute (app: TemplatedApp, route: HttpRoute, handlers: ServerHandlers): void {
  const register = route.method === 'GET' ? app.get.bind(app) : app.post.bind(app)
  register(route.path, (res, req) => {
    let gone = false
    res.onAborted(() => { gone = true })
    const reply = (result: HttpAnswer): void => { if (!gone) { gone = true; answer(res, result) } }
    const fail = (error: unknown): void => { handlers.onFault(error); reply(FAULT) }
    const headers = new Map<string, string>()
    req.forEach((name, value) => { if (!headers.has(name)) headers.set(name, value) })
    const request = { path: req.getUrl(), query: rawQuery(req), headers, peer: addressFromBytes(res.getRemoteAddress()).ip }
    readBody(res, route.maxBodyBytes, (body) => {
      if (body === null) {
        return reply({ status: 413, headers: [['Content-Type', 'application/json']], body: `{"error":"bad_request","message":"the body is over ${route.maxBodyBytes} bytes"}` })
      }
      // A handler may throw or reject; both end here and never in the native layer.
      new Promise<HttpAnswer>((resolve) => { resolve(route.handle({ ...request, body })) }).then(reply, fail)
    })
  })
}
