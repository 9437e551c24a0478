import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import Type, { type Static } from '#typebox'
import { mapKinds } from '../kinds.js'
import type { LimitSettings } from '../limits/limiter.js'
import { refusalAnswer, type Answer } from '../http/answers.js'
import { createRoute } from '../http/create-route.js'
import { NO_INPUT, type Route } from '../http/route.js'
import { createShape } from '../http/shape.js'
import { REFUSALS, type RefusalName } from '../refusals.js'
import { whatToDo } from './what-to-do.js'
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

const text = Type.Optional(Type.String())
const TokenQuerySchema = Type.Object({ sub: text, ...mapKinds(() => text), scope: text, ttl: text })
const TOKEN_QUERY = createShape(TokenQuerySchema, 'wanted: sub, lists of ids, scope and ttl, or none of them')

type TokenQuery = Static<typeof TokenQuerySchema>
type Headers = Readonly<Record<string, string>>

const DEFAULT_TTL_S = 3600
const MAX_TTL_S = 86_400

const answer = (type: string, body: string, headers: Headers = {}): Answer => ({ status: 200, text: { contentType: `${type}; charset=utf-8`, body }, headers })

function readIds (text: string | undefined, fallback: readonly string[]): readonly string[] | '*' {
  if (text === undefined) return fallback
  const ids = text.split(',').map(id => id.trim()).filter(id => id !== '')
  return ids.includes('*') ? '*' : ids
}

function readClaims ({ sub = 'alice', scope = 'ws:send', ttl = String(DEFAULT_TTL_S), ...ids }: TokenQuery): DevClaims | string {
  const ttlS = /^-?\d{1,6}$/.test(ttl) ? Number(ttl) : NaN
  if (!(ttlS <= MAX_TTL_S)) return `ttl: wanted seconds, at most ${MAX_TTL_S}`
  return { sub, ...mapKinds(({ claim, samples }) => readIds(ids[claim], samples)), scope, ttlS }
}

/** What the page must know and a browser is not told elsewhere: the refusals' meaning, limits, and the key to publish with. */
function describeConsole ({ publishKey, limits }: ConsoleSettings): string {
  const refusals = Object.entries(REFUSALS).map(([name, { status, closeCode, closable, message, reconnect }]) => ({
    name, status, close_code: closeCode, closable, message, reconnect, what_to_do: whatToDo(name as RefusalName)
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
  return { 'Content-Security-Policy': policy, 'Referrer-Policy': 'no-referrer' }
}

function answerToken (issuer: DevIssuer, query: TokenQuery, headers: Headers): Answer {
  const claims = readClaims(query)
  return typeof claims === 'string' ? { ...refusalAnswer('bad_request', claims), headers } : answer('text/plain', issuer.sign(claims), headers)
}

/** A route of development mode; `across` are the headers for what pages of other origins may read. */
function devRoute (path: string, summary: string, allowed: AllowedOrigins, handle: (query: TokenQuery, across: Headers) => Answer): Route {
  return createRoute({
    ...NO_INPUT,
    method: 'GET',
    path,
    secret: null,
    query: TOKEN_QUERY,
    tag: 'development',
    summary,
    answers: { 200: { description: summary } },
    handle: ({ headers, query }) => handle(query, crossOriginHeaders(headers.get('origin') ?? '', allowed))
  })
}

/**
 * The endpoints that only dev mode has: the console and what it shows, an example page, the client's modules, tokens for the asking, and
 * the keys that verify them. The pages that may connect may read the modules and the tokens.
 */
export function createDevRoutes (issuer: DevIssuer, settings: ConsoleSettings, { clientFiles, allowed }: PageSettings): Route[] {
  const page = readFileSync(new URL('./console.html', import.meta.url), 'utf8')
  const [ofConsole, ofExample] = [pageHeaders(page), pageHeaders(EXAMPLE_PAGE, " 'self'")]
  const facts = describeConsole(settings)
  const route = (path: string, summary: string, handle: Parameters<typeof devRoute>[3]): Route => devRoute(path, summary, allowed, handle)
  return [
    route('/', 'The console', () => answer('text/html', page, ofConsole)),
    route('/dev/example', 'The smallest page with the client', () => answer('text/html', EXAMPLE_PAGE, ofExample)),
    route('/dev/console.json', 'What the console shows', () => answer('application/json', facts)),
    route('/dev/jwks.json', 'The keys that verify the tokens', () => answer('application/json', issuer.jwks())),
    route('/dev/token', 'A token', (query, across) => answerToken(issuer, query, across)),
    ...[...clientFiles].map(([name, code]) => route(`/client/${name}`, 'A module of the client', (_query, across) => answer('text/javascript', code, across)))
  ]
}
