import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import type { FoundAddress } from '../../connection/find-address.js'
import type { PendingUpgrade, UpgradeHead } from '../../connection/transport.js'
import type { Binding } from './binding.js'
import { copyHead } from './copy-head.js'
import type { RenderedAnswer } from '../../http/render-answer.js'
import type { Route } from '../../http/route.js'
import { createBodyReader, type BodyLimits } from './read-body.js'
import { createListener, type Listener, type UwsApp } from './listener.js'
import type { ListenSettings } from './listen-socket.js'
import { addRoute, answer, FAULT, type RouteDeps } from './http-host.js'
import { findUpgradeCork, type UpgradeCork } from './upgrade-cork.js'
import type { UserData } from './socket.js'
import { UwsUpgrade } from './upgrade.js'

/** `exclusivePort`: one process alone on its port, where a second program is an error, not a silent sharer. */
export interface ServerSettings extends ListenSettings {
  readonly tls: { readonly certFile: string, readonly keyFile: string } | null
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
  readonly routes: readonly Route[]
  /** Finds who sends a plain request to one of the routes. */
  findClient (head: UpgradeHead): FoundAddress
  /** Whether back ends may keep the connections of their requests: false once the process drains. */
  keepsConnections (): boolean
  onUpgrade (upgrade: PendingUpgrade): void
  /** A request that the native layer sees neither as an upgrade nor on a route; `isUpgrade`: a GET that asks for one all the same. */
  onOther (head: UpgradeHead, isUpgrade: boolean): RenderedAnswer
  /** A socket closed while it was upgraded: a fault of the native layer. It is handed over as open, then as closed. */
  onLostUpgrade (): void
  /** Something threw where nothing may: logged; the request was answered 503. */
  onFault (error: unknown): void
}

export interface Server extends Omit<Listener, 'listen' | 'replaceApp'> {
  /**
   * Listens, and has the handlers take what comes; resolves with the port. Once. Rejects when the native layer refuses the
   * certificate, or the address cannot be had.
   */
  listen (handlers: ServerHandlers): Promise<number>
  /**
   * Has what the TLS files hold now serve all further connections; open ones stay as they are. Rejects, and changes nothing,
   * when that cannot be.
   */
  reloadTls (): Promise<void>
}

/** The native cap sits this far above the limit, so that a client just over it can be told 1009 before the drop. */
const FRAME_MARGIN_BYTES = 262_144
/** `ws.end` only gets through while the buffer is below the native cap, so the soft limit stays this far below it. */
const BUFFER_MARGIN_BYTES = 1_048_576

/** Makes the native server. Nothing thrown by a handler reaches the native layer, which would end the process. */
export function createUwsServer ({ uws }: Binding, settings: ServerSettings): Server {
  const { listen, replaceApp, ...listener } = createListener(uws, settings)
  return {
    ...listener,
    async listen (handlers) {
      const routeDeps: RouteDeps = {
        proxyProtocol: settings.proxyProtocol,
        findClient: handlers.findClient,
        openBody: createBodyReader(settings.bodies),
        keepsConnections: handlers.keepsConnections,
        onFault: handlers.onFault
      }
      const cork = await findUpgradeCork(uws, settings)
      return await listen(() => makeApp(uws, settings, handlers, routeDeps, cork))
    },
    reloadTls: replaceApp
  }
}

function makeApp (
  uws: Binding['uws'], settings: ServerSettings, handlers: ServerHandlers, routeDeps: RouteDeps, cork: UpgradeCork
): UwsApp {
  const { tls } = settings
  const native = tls === null ? uws.App() : uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile })
  const app: UwsApp = { native, sockets: 0 }
  for (const path of handlers.paths) {
    native.ws<UserData>(path, {
      maxPayloadLength: settings.maxFrameBytes + FRAME_MARGIN_BYTES,
      maxBackpressure: settings.maxBufferedBytes + BUFFER_MARGIN_BYTES,
      closeOnBackpressureLimit: true,
      idleTimeout: settings.idleTimeoutS,
      sendPingsAutomatically: false,
      maxLifetime: 0,
      compression: settings.compression ? uws.SHARED_COMPRESSOR : uws.DISABLED,
      upgrade: (res, req, context) => {
        startUpgrade(res, req, new UwsUpgrade(res, context, cork, handlers.onLostUpgrade), handlers, settings.proxyProtocol)
      },
      open: (ws) => { app.sockets++; const { s } = ws.getUserData(); guard(handlers, () => { s.opened(ws) }) },
      message: (ws, data, isBinary) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onMessage(data, isBinary) }) },
      ping: (ws) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onPing() }) },
      drain: (ws) => { const { s } = ws.getUserData(); guard(handlers, () => { s.handlers?.onDrain() }) },
      close: (ws, code) => { app.sockets--; const { s } = ws.getUserData(); guard(handlers, () => { s.closed(code) }) }
    })
  }
  for (const route of handlers.routes) addRoute(native, route, routeDeps)
  native.any('/*', (res, req) => { answerOther(res, req, handlers, settings.proxyProtocol) })
  return app
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
  res: HttpResponse, req: HttpRequest, upgrade: UwsUpgrade, handlers: ServerHandlers, proxyProtocol: boolean
): void {
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
