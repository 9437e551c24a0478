import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import type { Lifetime } from '../support/gateway.js'
import { until } from '../support/until.js'
import type { Realm } from './realm.js'

/**
 * An application of one page: it logs in by authorization code with PKCE (RFC 7636), fetches its token across origins, and
 * connects with it as a subprotocol.
 */
const PAGE = `<!doctype html><meta charset="utf-8"><title>An application</title><script type="module">
const wanted = new URLSearchParams(location.search)
const url64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const endpoint = (name) => sessionStorage.issuer + '/protocol/openid-connect/' + name
const own = location.origin + '/'
if (wanted.has('code')) {
  const form = { grant_type: 'authorization_code', client_id: 'web', code: wanted.get('code'), redirect_uri: own, code_verifier: sessionStorage.verifier }
  const tokens = await (await fetch(endpoint('token'), { method: 'POST', body: new URLSearchParams(form) })).json()
  window.token = tokens.access_token
  const link = new WebSocket(sessionStorage.gateway, ['portcullis.v1', 'bearer.' + window.token])
  window.frames = []
  link.onmessage = ({ data }) => { window.frames.push(JSON.parse(data)) }
  link.onclose = ({ code, reason }) => { window.ended = code + ' ' + reason }
} else {
  Object.assign(sessionStorage, { issuer: wanted.get('issuer'), gateway: wanted.get('gateway'), verifier: url64(crypto.getRandomValues(new Uint8Array(32))) })
  const challenge = url64(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(sessionStorage.verifier)))
  location.assign(endpoint('auth') + '?' + new URLSearchParams({
    response_type: 'code', client_id: 'web', redirect_uri: own, scope: 'openid ws:send', code_challenge: challenge, code_challenge_method: 'S256'
  }))
}
</script>`

/** Serves it; resolves with its origin. */
export async function serveApplication (t: Lifetime): Promise<string> {
  const server = createServer((_request, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What an administrator changes in the guide's client `web`: the page's address. */
export async function allowPage (realm: Realm, origin: string): Promise<void> {
  const path = `/clients/${await realm.clientId('web')}`
  const client = await realm.call('GET', path) as object
  await realm.call('PUT', path, { ...client, rootUrl: origin, redirectUris: [`${origin}/*`], webOrigins: [origin] })
}

/** Logs alice in through the page and Keycloak's form; resolves with her access token, when the page has it. */
export async function logIn (
  page: Page, { origin, issuer, gatewayUrl }: { readonly origin: string, readonly issuer: string, readonly gatewayUrl: string }
): Promise<string> {
  await page.goto(`${origin}/?${String(new URLSearchParams({ issuer, gateway: gatewayUrl }))}`)
  await page.getByLabel('Username or email').fill('alice')
  await page.getByLabel('Password', { exact: true }).fill('alice-tries-it')
  await page.getByRole('button', { name: 'Sign In' }).click()
  await until('the page has a token', async () => await page.evaluate('typeof window.token').catch(() => '') === 'string')
  return await page.evaluate('window.token')
}
