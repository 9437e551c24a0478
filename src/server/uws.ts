import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket, us_socket_context_t } from 'uWebSockets.js'
import { CannotStart } from '../cannot-start.js'
import type { FoundAddress } from '../connection/find-address.js'
import type { PendingUpgrade, UpgradeHead } from '../connection/transport.js'
import type { Binding } from './binding.js'
import { copyHead } from './copy-head.js'
import { FAULT, type HttpAnswer, type HttpRoute } from './http-route.js'
import { createBodyReader, type BodyLimits } from './read-body.js'
import { addRoute, answer } from './uws-route.js'
import type { UserData } from './uws-socket.js'
import { UwsUpgrade } from './uws-upgrade.js'

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
  /** Bodies of plain requests. */
  readonly bodies: BodyLimits
}

export interface ServerHandlers {
  /** WebSocket paths. */
  readonly paths: readonly string[]
  readonly routes: readonly HttpRoute[]
  /** Finds who sends a plain request to one of the routes. */
  findClient (head: UpgradeHead): FoundAddress
  onUpgrade (upgrade: PendingUpgrade): void
  /** A request that the native layer sees neither as an upgrade nor on a route; `isUpgrade`: a GET that asks for one all the same. */
  onOther (head: UpgradeHead, isUpgrade: boolean): HttpAnswer
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
      open: (ws) => { const { s } = ws.getUserData(); guard(handlers, () => { s.opened(ws) }) },
      message: (ws, data, isBinary) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onMessage(data, isBinary) }) },
      ping: (ws) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onPing() }) },
      drain: (ws) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onDrain() }) },
      close: (ws, code) => { const { s } = ws.getUserData(); guard(handlers, () => { s.closed(code) }) }
    })
  }
  const routeDeps = {
    proxyProtocol: settings.proxyProtocol,
    findClient: handlers.findClient,
    openBody: createBodyReader(settings.bodies),
    onFault: handlers.onFault
  }
  for (const route of handlers.routes) addRoute(app, route, routeDeps)
  app.any('/*', (res, req) => { answerOther(res, req, handlers, settings.proxyProtocol) })
  return createListener(uws, app, settings)
}

/** The types lack the form with a host and options at once. */
type Listen = (host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void) => void

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
      const listen = app.listen.bind(app) as unknown as Listen
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

function answerOther (res: HttpResponse, req: HttpRequest, handlers: ServerHandlers, proxyProtocol: boolean): void {
  res.onAborted(() => {})
  let result = FAULT
  guard(handlers, () => {
    const head = copyHead(res, req, proxyProtocol)
    // Only a GET can upgrade (RFC 6455 section 4.1).
    const isUpgrade = req.getMethod() === 'get' && head.headers.upgrade.toLowerCase() === 'websocket'
    result = handlers.onOther(head, isUpgrade)
  })
  answer(res, result)
}

function startUpgrade (
  res: HttpResponse, req: HttpRequest, context: us_socket_context_t, handlers: ServerHandlers, proxyProtocol: boolean
): void {
  const upgrade = new UwsUpgrade(res, context)
  // First of all: an answer that is still owed when the client leaves ends the process without this.
  res.onAborted(() => { guard(handlers, () => { upgrade.abort() }) })
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
