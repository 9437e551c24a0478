import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import type { UpgradeHead, UpgradeHeaders } from '../../connection/transport.js'

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
  'x-forwarded-for': 'forwardedFor',
  traceparent: 'traceparent'
}
/** `GET `, `?`, ` HTTP/1.1` and the line's end; `: ` and the line's end. */
const REQUEST_LINE_BYTES = 16
const HEADER_LINE_BYTES = 4
const NO_ADDRESS = new ArrayBuffer(0)
/** By the length of their names, which differ: a look-up by the name itself would hash every header that a client sends. */
const BY_LENGTH: Array<{ readonly name: string, readonly field: keyof UpgradeHeaders } | undefined> = []
for (const [name, field] of Object.entries(HEADER_FIELDS)) {
  if (BY_LENGTH[name.length] !== undefined) throw new Error(`two header names as long as ${name}`)
  BY_LENGTH[name.length] = { name, field }
}

/** The older binding answers `undefined` where there is no query at all. */
const rawQuery = (req: HttpRequest): string => (req.getQuery() as string | undefined) ?? ''

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
    forwardedFor: '',
    traceparent: ''
  }
  const [path, query] = [req.getUrl(), rawQuery(req)]
  let bytes = path.length + query.length + REQUEST_LINE_BYTES
  // All lines, not `getHeader`: that shows only the first of several, which is the attacker's.
  req.forEach((name, value) => {
    bytes += name.length + value.length + HEADER_LINE_BYTES
    const known = BY_LENGTH[name.length]
    if (known?.name !== name) return
    const { field } = known
    headers[field] = headers[field] === '' ? value : `${headers[field]}, ${value}`
  })
  return { path, query, bytes, headers, peer: res.getRemoteAddress(), proxied: proxyProtocol ? res.getProxiedRemoteAddress() : NO_ADDRESS }
}

/** Every header of a plain request; several lines of one are joined in order (RFC 9110 section 5.3). */
export function copyHeaders (req: HttpRequest): Map<string, string> {
  const headers = new Map<string, string>()
  req.forEach((name, value) => {
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  })
  return headers
}
