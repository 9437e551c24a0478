import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Lifetime } from '../support/gateway.js'

export interface SupabaseAuth {
  readonly url: string
  /** What it was asked, in its order: `password`, `refresh_token`, `logout`. */
  readonly asked: readonly string[]
}

/**
 * What the client library asks of a project's auth server, after its recorded answers: a session by password, a session by refresh token,
 * the end of one. `sign` makes the access token of each session.
 */
export async function startSupabaseAuth (t: Lifetime, sign: () => string): Promise<SupabaseAuth> {
  const asked: string[] = []
  const sessionOf = (): object => ({
    access_token: sign(),
    token_type: 'bearer',
    expires_in: 3600,
    expires_at: Math.floor(Date.now() / 1000) + 3600,
    refresh_token: `refresh-${asked.length}`,
    user: { id: '5b3a6a0e-0000-4000-8000-000000000001', aud: 'authenticated', role: 'authenticated', email: 'alice@example.com', app_metadata: {}, user_metadata: {} }
  })
  function answer ({ url = '' }: IncomingMessage): [number, object | null] {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    if (pathname === '/auth/v1/token') {
      asked.push(searchParams.get('grant_type') ?? '')
      return [200, sessionOf()]
    }
    if (pathname !== '/auth/v1/logout') return [404, { message: 'no such path' }]
    asked.push('logout')
    return [204, null]
  }
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const [status, body] = answer(request)
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body === null ? undefined : JSON.stringify(body))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
