import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { HttpAnswer, HttpRoute } from '../server/http-route.js'
import type { DevClaims, DevIssuer } from './dev-issuer.js'

const DEFAULT_TTL_S = 3600
const MAX_TTL_S = 86_400

const answer = (status: number, type: string, body: string, more: HttpAnswer['headers'] = []): HttpAnswer => ({
  status, headers: [['Content-Type', `${type}; charset=utf-8`], ['Cache-Control', 'no-store'], ['X-Content-Type-Options', 'nosniff'], ...more], body
})

/** DNS rebinding: a web page whose name is made to resolve to loopback could mint tokens, but its requests carry its name. */
function isLocalHost (host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

function readIds (text: string | null, fallback: string): readonly string[] | '*' {
  const ids = (text ?? fallback).split(',').map(id => id.trim()).filter(id => id !== '')
  return ids.includes('*') ? '*' : ids
}

function readClaims (query: URLSearchParams): DevClaims | string {
  const ttlText = query.get('ttl') ?? String(DEFAULT_TTL_S)
  const ttlS = /^-?\d{1,6}$/.test(ttlText) ? Number(ttlText) : NaN
  if (!(ttlS <= MAX_TTL_S)) return `ttl: wanted seconds, at most ${MAX_TTL_S}`
  return {
    sub: query.get('sub') ?? 'alice',
    agents: readIds(query.get('agents'), 'a1,a2'),
    tasks: readIds(query.get('tasks'), 't1'),
    scope: query.get('scope') ?? 'ws:send',
    ttlS
  }
}

/** The endpoints that only dev mode has: the page, tokens for the asking, and the keys that verify them. */
export function createDevRoutes (issuer: DevIssuer): HttpRoute[] {
  const page = readFileSync(new URL('./console.html', import.meta.url), 'utf8')
  const route = (path: string, handle: (query: URLSearchParams) => HttpAnswer): HttpRoute => ({
    method: 'GET',
    path,
    maxBodyBytes: 0,
    handle: ({ headers, query }) => isLocalHost(headers.get('host') ?? '')
      ? handle(new URLSearchParams(query))
      : answer(403, 'application/json', '{"error":"forbidden","message":"dev mode answers on loopback names only"}')
  })
  return [
    route('/', () => answer(200, 'text/html', page, [['Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:"]])),
    route('/dev/jwks.json', () => answer(200, 'application/json', issuer.jwks())),
    route('/dev/token', (query) => {
      const claims = readClaims(query)
      return typeof claims === 'string' ? answer(400, 'application/json', JSON.stringify({ error: 'bad_request', message: claims })) : answer(200, 'text/plain', issuer.sign(claims))
    })
  ]
}
