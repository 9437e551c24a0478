import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { parseAddress, type ClientAddress } from '../address/client-address.js'
import { faultAnswer, methodAnswer, refusalAnswer, type Answer } from './answers.js'
import { NodeSockets } from './node-sockets.js'
import { readNodeBody } from './read-node-body.js'
import { renderAnswer } from './render-answer.js'
import type { IncomingRequest, Route } from './route.js'
import { judgeSecret, type RequestHeaders } from './secrets.js'
import { decodeSegments, matchPath, readQuery, splitTarget, type Target } from './target.js'

export interface NodeHostOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly routes: readonly Route[]
  /** Told of a route that threw (the client gets 500 and nothing more) or of a failed accept. `where` holds no query. */
  readonly onFault: (error: unknown, where: string) => void
  /** Whether a request may name this host; absent: it may name any. */
  readonly acceptsHost?: (host: string) => boolean
}

export interface NodeHost {
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
/** More than the kernel queues below, so that those that are taken in together do not end each other. */
const MAX_SOCKETS = 512
const BACKLOG = 256
/** No client of ours sends a request before the last one is answered; a flood of them in one read would hold up the process. */
const MAX_PIPELINED = 16
const CLOSE_GRACE_MS = 1_000
const NO_CONTENT = 204
const FOREIGN_HOST = 'the request names a host that is not served'
/** The client is gone. */
const NO_ADDRESS: ClientAddress = { ip: 'unknown', key: 'unknown' }

/** Serves routes with Node's own server. Rejects when it cannot listen. */
export async function createNodeHost (options: NodeHostOptions): Promise<NodeHost> {
  const { host, port, onFault } = options
  const sockets = new NodeSockets({
    maxSockets: MAX_SOCKETS, maxPipelined: MAX_PIPELINED, keyOf: socket => readPeer(socket).key, now: () => performance.now()
  })
  const server = createServer({
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    maxHeaderSize: MAX_HEAD_BYTES
  }, (request, response) => { if (sockets.begin(request.socket, response)) void respond(request, response, options) })
  server.on('connection', (socket) => { sockets.add(socket) })
  server.setTimeout(SILENT_SOCKET_MS)
  await listen(server, host, port)
  // A failed accept (no descriptors, no memory) is an event, which would end the process if nobody listened.
  server.on('error', (error) => { onFault(error, 'accept') })
  return {
    port: (server.address() as AddressInfo).port,
    close () { return closeServer(server) }
  }
}

async function listen (server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, backlog: BACKLOG }, () => {
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

async function respond (request: IncomingMessage, response: ServerResponse, options: NodeHostOptions): Promise<void> {
  const target = splitTarget(request.url ?? '/')
  try {
    send(response, await answerRequest(request, target, options))
  } catch (error) {
    options.onFault(error, target.path)
    send(response, faultAnswer())
  }
}

async function answerRequest (
  request: IncomingMessage, { path, query }: Target, { routes, acceptsHost }: NodeHostOptions
): Promise<Answer> {
  if (acceptsHost?.(request.headers.host ?? '') === false) return refusalAnswer('forbidden', FOREIGN_HOST)
  const segments = decodeSegments(path)
  if (segments === null) return refusalAnswer('bad_request')
  const matches = routes.flatMap((route) => {
    const params = matchPath(route.path, segments)
    return params === null ? [] : [{ route, params }]
  })
  const [first] = matches
  if (first === undefined) return refusalAnswer('not_found')
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const match = matches.find(({ route }) => route.method === method)
  const [headers, address] = [readHeaders(request), readPeer(request.socket)]
  if (match === undefined) {
    // Behind a secret, not even what exists is told.
    return await judgeSecret(first.route.secret, headers, address) ?? methodAnswer(matches.map(({ route }) => route.method))
  }
  const incoming: IncomingRequest = {
    params: match.params,
    query: readQuery(query),
    hasPlainPlus: query.includes('+'),
    headers,
    address,
    viaTrustedProxy: false,
    readBody: async (bounds) => await readNodeBody(request, bounds)
  }
  return await match.route.serve(incoming)
}

function readHeaders (request: IncomingMessage): RequestHeaders {
  return new Map(Object.entries(request.headers).map(([name, value = '']) => [name, Array.isArray(value) ? value.join(', ') : value]))
}

/** A link-local peer comes with the zone of its interface, which is no part of the address. */
function readPeer ({ remoteAddress }: Socket): ClientAddress {
  return parseAddress((remoteAddress ?? '').replace(/%.*$/, '')) ?? NO_ADDRESS
}

function send (response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return
  const { status, headers, body } = renderAnswer(answer)
  response.writeHead(status, {
    ...Object.fromEntries(headers),
    ...(status === NO_CONTENT ? {} : { 'Content-Length': Buffer.byteLength(body) }),
    ...(answer.endsConnection === true ? { Connection: 'close' } : {})
  })
  response.end(body)
}
