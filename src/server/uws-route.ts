import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js'
import { addressFromBytes } from '../address/client-address.js'
import { FAULT, statusLine, type HttpAnswer, type HttpRoute } from './http-route.js'
import { readBody } from './read-body.js'

/** The older binding answers `undefined` where there is no query at all. */
export const rawQuery = (req: HttpRequest): string => (req.getQuery() as string | undefined) ?? ''

/** Sends an answer and closes the TCP connection. */
export function answer (res: HttpResponse, { status, headers, body }: HttpAnswer): void {
  res.cork(() => {
    res.writeStatus(statusLine(status))
    for (const [name, value] of headers) res.writeHeader(name, value)
    res.end(body, true)
  })
}

/** Serves a plain HTTP endpoint. */
export function addRoute (app: TemplatedApp, route: HttpRoute, onFault: (error: unknown) => void): void {
  const register = route.method === 'GET' ? app.get.bind(app) : app.post.bind(app)
  register(route.path, (res, req) => {
    let gone = false
    res.onAborted(() => { gone = true })
    const reply = (result: HttpAnswer): void => { if (!gone) { gone = true; answer(res, result) } }
    const fail = (error: unknown): void => { onFault(error); reply(FAULT) }
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
