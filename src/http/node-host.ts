import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { denialAnswer, faultAnswer, methodAnswer, readinessAnswer, refusalAnswer, type AdminAnswer } from './answers.js'
import { readBearer, type Authenticate } from './auth.js'
import { readJsonBody } from './read-json-body.js'
import type { Readiness } from '../gateway/readiness.js'
import { matchRoutes, type AdminRequest, type AdminRoute, type RouteMatch } from './match-routes.js'

export interface AdminOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Checks the admin secret for routes with access `bearer`. */
  readonly authenticate: Authenticate
  readonly readiness: () => Readiness | Promise<Readiness>
  readonly renderMetrics: () => Promise<{ readonly contentType: string, readonly body: string }>
  /** What is served besides health, readiness and metrics. */
  readonly routes: readonly AdminRoute[]
  /** Told of a route that threw (the client gets 500 and nothing more) or of a failed accept. `where` holds no query. */
  readonly onFault: (error: unknown, where: string) => void
}

export interface AdminServer {
  readonly port: number
  /** Takes no more requests, lets running ones end for a second, then ends every socket. Never rejects. */
  close (): Promise<void>
}

const REQUEST_TIMEOUT_MS = 10_000
const HEADERS_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MS = 5_000
/** A client that stops reading its answer is cut off. */
const SILENT_SOCKET_MS = 30_000
const TIMEOUT_CHECK_MS = 1_000
const MAX_HEAD_BYTES = 8_192
const MAX_SOCKETS = 256
const CLOSE_GRACE_MS = 1_000
const JSON_TYPE = 'application/json; charset=utf-8'

/** Listens for operators: health, readiness, metrics and the given routes. Rejects when it cannot listen. */
export async function createAdminServer (options: AdminOptions): Promise<AdminServer> {
  const routes = [...builtInRoutes(options), ...options.routes]
  const server = createServer({
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    maxHeaderSize: MAX_HEAD_BYTES
  }, (request, response) => { void respond(request, response, routes, options) })
  server.maxConnections = MAX_SOCKETS
  server.setTimeout(SILENT_SOCKET_MS)
  await listen(server, options.host, options.port)
  // A failed accept (no descriptors, no memory) is an event, which would end the process if nobody listened.
  server.on('error', (error) => { options.onFault(error, 'accept') })
  return {
    port: (server.address() as AddressInfo).port,
    close () { return closeServer(server) }
  }
}

async function listen (server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function closeServer (server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const grace = setTimeout(() => { server.closeAllConnections() }, CLOSE_GRACE_MS)
    // Idle keep-alive sockets end at once with this.
    server.close(() => {
      clearTimeout(grace)
      resolve()
    })
  })
}

function builtInRoutes ({ readiness, renderMetrics }: AdminOptions): AdminRoute[] {
  return [
    { method: 'GET', path: '/healthz', access: 'open', handle: () => ({ status: 200, body: { status: 'ok' } }) },
    { method: 'GET', path: '/readyz', access: 'open', handle: async () => readinessAnswer(await readiness()) },
    { method: 'GET', path: '/metrics', access: 'open', handle: async () => ({ status: 200, text: await renderMetrics() }) }
  ]
}

async function respond (
  request: IncomingMessage, response: ServerResponse, routes: readonly AdminRoute[], options: AdminOptions
): Promise<void> {
  const { pathname, searchParams } = splitTarget(request.url ?? '/')
  try {
    const match = matchRoutes(routes, pathname)
    const answer = match === null ? refusalAnswer('bad_request') : await answerRoute(request, match, searchParams, options.authenticate)
    send(response, answer)
  } catch (error) {
    options.onFault(error, pathname)
    send(response, faultAnswer())
  }
}

/** The target as sent: an absolute form or a stray `//` is then just an unknown path. */
function splitTarget (target: string): { pathname: string, searchParams: URLSearchParams } {
  const mark = target.indexOf('?')
  return mark === -1
    ? { pathname: target, searchParams: new URLSearchParams() }
    : { pathname: target.slice(0, mark), searchParams: new URLSearchParams(target.slice(mark + 1)) }
}

async function answerRoute (
  request: IncomingMessage, { routes, params }: RouteMatch, query: URLSearchParams, authenticate: Authenticate
): Promise<AdminAnswer> {
  if (routes.length === 0) return refusalAnswer('not_found')
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = routes.find((candidate) => candidate.method === method)
  const peer = request.socket.remoteAddress ?? ''
  // Before the method is looked at: behind a secret, not even what exists is told.
  if ((route ?? routes[0])?.access === 'bearer') {
    const denial = denialAnswer(authenticate(readBearer(request.headers.authorization), peer))
    if (denial !== null) return denial
  }
  if (route === undefined) return methodAnswer(routes.map((candidate) => candidate.method))
  const readJson = async (maxBytes: number) => await readJsonBody(request, maxBytes)
  const adminRequest: AdminRequest = { params, query, headers: request.headers, peer, readJson }
  return await route.handle(adminRequest)
}

function send (response: ServerResponse, { status, body, text, headers = {} }: AdminAnswer): void {
  if (response.headersSent || response.destroyed) return
  const content = text ?? (body === undefined ? null : { contentType: JSON_TYPE, body: `${JSON.stringify(body)}\n` })
  response.writeHead(status, {
    ...(content === null ? {} : { 'Content-Type': content.contentType, 'Content-Length': Buffer.byteLength(content.body) }),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers
  })
  response.end(content?.body)
}
