import type { HttpRequest as NativeRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js'
import { httpRefusal } from '../../connection/answer-refusal.js'
import type { FoundAddress } from '../../connection/find-address.js'
import type { UpgradeHead } from '../../connection/transport.js'
import { copyHead, copyHeaders } from './copy-head.js'
import { FAULT, statusLine, type HttpAnswer, type HttpRequest, type HttpRoute } from '../../http/route.js'
import type { OpenBody, OpenBodyOf } from './read-body.js'

export interface RouteDeps {
  readonly proxyProtocol: boolean
  /** Finds who is really there; a refusal is answered before the route is asked. */
  readonly findClient: (head: UpgradeHead) => FoundAddress
  readonly openBody: OpenBodyOf
  readonly onFault: (error: unknown) => void
}

/** Sends an answer and closes the TCP connection. For callers in a native callback, which has corked the output already. */
export function answerCorked (res: HttpResponse, { status, headers, body }: HttpAnswer): void {
  res.writeStatus(statusLine(status))
  for (const [name, value] of headers) res.writeHeader(name, value)
  res.end(body, true)
}

/** Sends an answer and closes the TCP connection. */
export function answer (res: HttpResponse, result: HttpAnswer): void {
  res.cork(() => { answerCorked(res, result) })
}

/** Asks the route, which must decide by the head alone whether the body is worth being read. */
function ask (
  route: HttpRoute, res: HttpResponse, req: NativeRequest, deps: RouteDeps, readBody: (contentLength: string | undefined) => OpenBody
): HttpAnswer | Promise<HttpAnswer> {
  const head = copyHead(res, req, deps.proxyProtocol)
  const { address, refusal } = deps.findClient(head)
  if (refusal !== null) return httpRefusal(refusal)
  const headers = copyHeaders(req)
  const request: HttpRequest = {
    path: head.path, query: head.query, headers, address, readBody: async () => await readBody(headers.get('content-length')).reading
  }
  return route.handle(request)
}

/** Serves a plain HTTP endpoint. */
export function addRoute (app: TemplatedApp, route: HttpRoute, deps: RouteDeps): void {
  const register = route.method === 'GET' ? app.get.bind(app) : app.post.bind(app)
  register(route.path, (res, req) => {
    let gone = false
    let body: OpenBody | null = null
    res.onAborted(() => { gone = true; body?.abort() })
    const reply = (result: HttpAnswer): void => { if (!gone) { gone = true; answer(res, result) } }
    const fail = (error: unknown): void => { deps.onFault(error); reply(FAULT) }
    const openBody = (contentLength: string | undefined): OpenBody => (body = deps.openBody(res, contentLength, route.maxBodyBytes))
    // A handler may throw or reject; both end here and never in the native layer.
    new Promise<HttpAnswer>((resolve) => { resolve(ask(route, res, req, deps, openBody)) })
      .then(reply, fail).catch(deps.onFault).finally(() => { body?.release() })
  })
}
