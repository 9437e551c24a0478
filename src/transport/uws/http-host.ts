import { STATUS_CODES } from 'node:http'
import type { HttpRequest as NativeRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js'
import { httpRefusal } from '../../connection/answer-refusal.js'
import type { FoundAddress } from '../../connection/find-address.js'
import type { UpgradeHead } from '../../connection/transport.js'
import { refusalAnswer, unavailableAnswer } from '../../http/answers.js'
import type { BodyBounds } from '../../http/collect-body.js'
import { renderAnswer, type RenderedAnswer } from '../../http/render-answer.js'
import type { Method, Route } from '../../http/route.js'
import { decodeSegments, matchPath, readQuery, rewritePath } from '../../http/target.js'
import { copyHead, copyHeaders } from './copy-head.js'
import type { OpenBody, OpenBodyOf } from './read-body.js'

export interface RouteDeps {
  readonly proxyProtocol: boolean
  /** Finds who is really there; a refusal is answered before the route is asked. */
  readonly findClient: (head: UpgradeHead) => FoundAddress
  readonly openBody: OpenBodyOf
  /** Whether this process goes on: one that drains sends back ends elsewhere. */
  readonly keepsConnections: () => boolean
  readonly onFault: (error: unknown) => void
}

/** What a client gets when a handler threw. */
export const FAULT = renderAnswer(unavailableAnswer('the request could not be handled'))

/**
 * Sends an answer, and closes the TCP connection unless `keeps`. For callers in a native callback, which has corked the output already.
 */
export function answerCorked (res: HttpResponse, { status, headers, body }: RenderedAnswer, keeps = false): void {
  // The native layer wants a string such as `404 Not Found`.
  res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Status'}`)
  for (const [name, value] of headers) res.writeHeader(name, value)
  res.end(body, !keeps)
}

/** Sends an answer, and closes the TCP connection unless `keeps`. */
export function answer (res: HttpResponse, result: RenderedAnswer, keeps = false): void {
  res.cork(() => { answerCorked(res, result, keeps) })
}

/**
 * A back end that has shown its secret and been served comes again: opening a connection costs both sides more than the request.
 * Nobody else holds a socket here that is no WebSocket.
 */
function keepsAfter ({ secret }: Route, { status }: RenderedAnswer, { keepsConnections }: RouteDeps): boolean {
  return secret !== null && status >= 200 && status < 300 && keepsConnections()
}

type BeginBody = (contentLength: string | undefined, bounds: BodyBounds) => OpenBody

/** Asks the route, which decides by the head alone whether the body is worth being read. */
async function ask (route: Route, res: HttpResponse, req: NativeRequest, deps: RouteDeps, beginBody: BeginBody): Promise<RenderedAnswer> {
  const head = copyHead(res, req, deps.proxyProtocol)
  const { address, refusal, viaTrustedProxy } = deps.findClient(head)
  if (refusal !== null) return httpRefusal(refusal)
  // A path without names is found as it stands.
  const segments = head.path === route.path ? null : decodeSegments(head.path)
  const params = head.path === route.path ? {} : segments === null ? null : matchPath(route.path, segments)
  if (params === null) return renderAnswer(refusalAnswer(segments === null ? 'bad_request' : 'not_found'))
  const headers = copyHeaders(req)
  return renderAnswer(await route.serve({
    params,
    query: readQuery(head.query),
    hasPlainPlus: head.query.includes('+'),
    headers,
    address,
    viaTrustedProxy,
    readBody: async (bounds) => await beginBody(headers.get('content-length'), bounds).reading
  }))
}

const REGISTER: Readonly<Record<Method, 'get' | 'post' | 'put' | 'del' | 'options'>> = { GET: 'get', POST: 'post', PUT: 'put', DELETE: 'del', OPTIONS: 'options' }

/** Serves a plain HTTP endpoint. */
export function addRoute (app: TemplatedApp, route: Route, deps: RouteDeps): void {
  const pattern = rewritePath(route.path, (name, takesRest) => takesRest ? '*' : `:${name}`)
  app[REGISTER[route.method]](pattern, (res, req) => {
    let gone = false
    let body: OpenBody | null = null
    res.onAborted(() => { gone = true; body?.abort() })
    const reply = (result: RenderedAnswer): void => { if (!gone) { gone = true; answer(res, result, keepsAfter(route, result, deps)) } }
    const fail = (error: unknown): void => { deps.onFault(error); reply(FAULT) }
    const beginBody: BeginBody = (contentLength, bounds) => (body = deps.openBody(res, contentLength, bounds))
    // A handler may throw or reject; both end here and never in the native layer.
    ask(route, res, req, deps, beginBody).then(reply, fail).catch(deps.onFault).finally(() => { body?.release() })
  })
}
