import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { mapKinds } from '../kinds.js'
import type { LimitSettings } from '../limits/limiter.js'
import { REFUSALS, type Reconnect } from '../refusals.js'
import type { HttpAnswer, HttpRoute } from '../http/route.js'
import { crossOriginHeaders, type AllowedOrigins } from './cross-origin.js'
import type { DevClaims, DevIssuer } from './dev-issuer.js'
import { EXAMPLE_PAGE } from './example-page.js'

/** What the console page shows of the process that serves it. */
export interface ConsoleSettings {
  /** Sent as `X-Publish-Key`; null: nothing can be published over HTTP. */
  readonly publishKey: string | null
  readonly limits: Pick<LimitSettings, 'addressConnections' | 'addressWindowMs' | 'userConnections' | 'messages' | 'messageWindowMs'>
}

/** What pages under development get. */
export interface PageSettings {
  /** The client's modules by file name. */
  readonly clientFiles: ReadonlyMap<string, string>
  readonly allowed: AllowedOrigins
}

type Headers = HttpAnswer['headers']

const DEFAULT_TTL_S = 3600
const MAX_TTL_S = 86_400

/** Advice for people, for each way of coming back. */
const WHAT_TO_DO: Readonly<Record<Reconnect, string>> = {
  no: 'Do not come back the same way: the answer would be the same. Change what you ask for first.',
  'with a new token': 'Get a new token, then connect again.',
  'after the delay': 'Wait for the stated delay, then try again.',
  'with back-off': 'Try again after a moment, and wait longer after each failure.',
  yes: 'Connect again.'
}

const answer = (status: number, type: string, body: string, more: Headers = []): HttpAnswer => ({
  status, headers: [['Content-Type', `${type}; charset=utf-8`], ['Cache-Control', 'no-store'], ['X-Content-Type-Options', 'nosniff'], ...more], body
})

/** DNS rebinding: a web page whose name is made to resolve to loopback could mint tokens, but its requests carry its name. */
function isLocalHost (host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

function readIds (text: string | null, fallback: readonly string[]): readonly string[] | '*' {
  if (text === null) return fallback
  const ids = text.split(',').map(id => id.trim()).filter(id => id !== '')
  return ids.includes('*') ? '*' : ids
}

function readClaims (query: URLSearchParams): DevClaims | string {
  const ttlText = query.get('ttl') ?? String(DEFAULT_TTL_S)
  const ttlS = /^-?\d{1,6}$/.test(ttlText) ? Number(ttlText) : NaN
  if (!(ttlS <= MAX_TTL_S)) return `ttl: wanted seconds, at most ${MAX_TTL_S}`
  return {
    sub: query.get('sub') ?? 'alice',
    ...mapKinds(({ claim, samples }) => readIds(query.get(claim), samples)),
    scope: query.get('scope') ?? 'ws:send',
    ttlS
  }
}

/** What the page must know and a browser is not told elsewhere: the refusals' meaning, limits, and the key to publish with. */
function describeConsole ({ publishKey, limits }: ConsoleSettings): string {
  const refusals = Object.entries(REFUSALS).map(([name, { status, closeCode, closable, message, reconnect }]) => ({
    name, status, close_code: closeCode, closable, message, reconnect, what_to_do: WHAT_TO_DO[reconnect]
  }))
  return JSON.stringify({
    refusals,
    publish_key: publishKey,
    limits: {
      attempts: limits.addressConnections,
      attempt_window_s: limits.addressWindowMs / 1000,
      connections: limits.userConnections,
      messages: limits.messages,
      message_window_s: limits.messageWindowMs / 1000
    }
  })
}

/**
 * Only the page's own script and style run, and the modules of `imports`, so that nothing in a frame can; by hash, for the page is the same
 * for all (CSP Level 3).
 */
function pageHeaders (page: string, imports = ''): Headers {
  const hashOf = (element: string): string => {
    const text = new RegExp(`<${element}[^>]*>([^]*?)</${element}>`).exec(page)?.[1] ?? ''
    return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  }
  const policy = [
    "default-src 'none'", `script-src ${hashOf('script')}${imports}`, `style-src ${hashOf('style')}`, "connect-src 'self'", 'img-src data:',
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"
  ].join('; ')
  return [['Content-Security-Policy', policy], ['Referrer-Policy', 'no-referrer']]
}

function answerToken (issuer: DevIssuer, query: URLSearchParams, headers: Headers): HttpAnswer {
  const claims = readClaims(query)
  return typeof claims === 'string'
    ? answer(400, 'application/json', JSON.stringify({ error: 'bad_request', message: claims }), headers)
    : answer(200, 'text/plain', issuer.sign(claims), headers)
}

/** A route for loopback names; `across` are the headers for what pages of other origins may read. */
function devRoute (path: string, allowed: AllowedOrigins, handle: (query: URLSearchParams, across: Headers) => HttpAnswer): HttpRoute {
  return {
    method: 'GET',
    path,
    maxBodyBytes: 0,
    handle: ({ headers, query }) => isLocalHost(headers.get('host') ?? '')
      ? handle(new URLSearchParams(query), crossOriginHeaders(headers.get('origin') ?? '', allowed))
      : answer(403, 'application/json', '{"error":"forbidden","message":"dev mode answers on loopback names only"}')
  }
}

/**
 * The endpoints that only dev mode has: the console and what it shows, an example page, the client's modules, tokens for the asking, and
 * the keys that verify them. The pages that may connect may read the modules and the tokens.
 */
export function createDevRoutes (issuer: DevIssuer, settings: ConsoleSettings, { clientFiles, allowed }: PageSettings): HttpRoute[] {
  const page = readFileSync(new URL('./console.html', import.meta.url), 'utf8')
  const [ofConsole, ofExample] = [pageHeaders(page), pageHeaders(EXAMPLE_PAGE, " 'self'")]
  const facts = describeConsole(settings)
  const route = (path: string, handle: Parameters<typeof devRoute>[2]): HttpRoute => devRoute(path, allowed, handle)
  return [
    route('/', () => answer(200, 'text/html', page, ofConsole)),
    route('/dev/example', () => answer(200, 'text/html', EXAMPLE_PAGE, ofExample)),
    route('/dev/console.json', () => answer(200, 'application/json', facts)),
    route('/dev/jwks.json', () => answer(200, 'application/json', issuer.jwks())),
    route('/dev/token', (query, across) => answerToken(issuer, query, across)),
    ...[...clientFiles].map(([name, text]) => route(`/client/${name}`, (_query, across) => answer(200, 'text/javascript', text, across)))
  ]
}
