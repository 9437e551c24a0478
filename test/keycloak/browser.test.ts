import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { startBrowser } from '../client/browser.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway } from '../support/gateway.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { claimsOf, makeRealm, type Realm } from './realm.js'

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

async function servePage (t: Test): Promise<string> {
  const server = createServer((_request, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What an administrator changes in the guide's client `web`: the page's address. */
async function allowPage (realm: Realm, origin: string): Promise<void> {
  const path = `/clients/${await realm.clientId('web')}`
  const client = await realm.call('GET', path) as object
  await realm.call('PUT', path, { ...client, rootUrl: origin, redirectUris: [`${origin}/*`], webOrigins: [origin] })
}

async function logIn (page: Page, address: string): Promise<string> {
  await page.goto(address)
  await page.getByLabel('Username or email').fill('alice')
  await page.getByLabel('Password', { exact: true }).fill('alice-tries-it')
  await page.getByRole('button', { name: 'Sign In' }).click()
  await until('the page has a token', async () => await page.evaluate('typeof window.token').catch(() => '') === 'string')
  return await page.evaluate('window.token')
}

t.test('through the login page of Keycloak, in a browser', async (t) => {
  const [realm, browser, redis, origin] = await Promise.all([makeRealm(t), startBrowser(t), startRedis(t), servePage(t)])
  await allowPage(realm, origin)
  const gateway = await startGateway(t, { ...realm.settings, REDIS_URL: redis.url, WS_ALLOWED_ORIGINS: origin })
  const page = await browser.newPage()
  const gatewayUrl = `ws://127.0.0.1:${gateway.port}/ws?agent_ids=a1`
  const token = await logIn(page, `${origin}/?${String(new URLSearchParams({ issuer: realm.issuer, gateway: gatewayUrl }))}`)

  await t.test('a public client with PKCE connects its user', async (t) => {
    t.match(claimsOf(token), { azp: 'web', iss: realm.issuer, agents: ['a1', 'a2'], sid: String })
    await until('the socket is open', async () => await page.evaluate('window.frames.length >= 2 || window.ended !== undefined'))
    t.equal(await page.evaluate('window.ended ?? null'), null)
    t.match(await page.evaluate('window.frames'), [{ type: 'welcome', user_id: claimsOf(token)['sub'] }, { type: 'subscribed', agent_ids: ['a1'] }])
  })

  await t.test('the console connects with the same token', async (t) => {
    const port = await findFreePort()
    const settings = { ...realm.settings, WS_ACCESS_ISSUER: 'oidc,keycloak', PORT: String(port) }
    await startGateway(t, settings, { program: 'dist/dev/main.js' })
    const view = await browser.newPage()
    await view.route('**/dev/token?*', async (route) => { await route.fulfill({ contentType: 'text/plain', body: token }) })
    await view.goto(`http://127.0.0.1:${port}/`)
    await until('the page knows the refusals', async () => await view.locator('#refusals > li').count() > 0)
    await view.getByRole('button', { name: 'Mint token', exact: true }).click()
    await view.locator('#claims').filter({ hasText: /a1.*a2/ }).waitFor()
    await view.getByRole('button', { name: 'Connect', exact: true }).click()
    await view.locator('#sockets > li[data-number="1"]').filter({ hasText: /open.*hears agent:a1/ }).waitFor()
  })
})
