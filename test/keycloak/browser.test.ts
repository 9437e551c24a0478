import t from 'tap'
import { startBrowser } from '../client/browser.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway } from '../support/gateway.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { allowPage, logIn, serveApplication } from './application.js'
import { claimsOf, makeRealm } from './realm.js'

t.test('through the login page of Keycloak, in a browser', async (t) => {
  const [realm, browser, redis, origin] = await Promise.all([makeRealm(t), startBrowser(t), startRedis(t), serveApplication(t)])
  await allowPage(realm, origin)
  const gateway = await startGateway(t, { ...realm.settings, REDIS_URL: redis.url, WS_ALLOWED_ORIGINS: origin })
  const page = await browser.newPage()
  const gatewayUrl = `ws://127.0.0.1:${gateway.port}/ws?agent_ids=a1`
  const token = await logIn(page, { origin, issuer: realm.issuer, gatewayUrl })

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
