import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { startBrowser } from '../client/browser.js'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, type LogLine, type TestGateway } from '../support/gateway.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { allowPage, logIn, serveApplication } from './application.js'
import { allowRush, claimsOf, makeRealm, type Json, type Realm } from './realm.js'

const REVOKED = { code: 4401, reason: /"revoked"/ }

/** What an administrator sets at a client of the realm: where its logouts are told. */
async function tellLogouts (realm: Realm, client: string, gateway: TestGateway, { withSession = true } = {}): Promise<void> {
  const path = `/clients/${await realm.clientId(client)}`
  const before = await realm.call('GET', path) as { attributes: object }
  const attributes = {
    ...before.attributes,
    'backchannel.logout.url': `http://127.0.0.1:${gateway.port}/oidc/backchannel-logout`,
    'backchannel.logout.session.required': String(withSession)
  }
  await realm.call('PUT', path, { ...before, frontchannelLogout: false, attributes })
}

const sidOf = (token: string): string => String(claimsOf(token)['sid'])
const isHeard = (target: string) => (line: LogLine): boolean => line['target'] === target

async function enter (t: Test, gateway: TestGateway, token: string): Promise<TestClient> {
  const client = await connect(t, gateway, '/ws', { from: freshAddress(), headers: { authorization: `Bearer ${token}` } })
  await client.next()
  return client
}

async function answers (t: Test, client: TestClient): Promise<void> {
  client.send({ type: 'ping' })
  t.match(await client.next(), { type: 'pong' })
}

/** Logs alice in at her account console, shows where she is logged in, and signs out everywhere. */
async function signOutEverywhere (page: Page, realm: Realm): Promise<void> {
  await page.goto(`${realm.issuer}/account/account-security/device-activity`)
  await page.getByRole('button', { name: 'Sign out all devices' }).click()
  await page.getByRole('button', { name: 'Confirm' }).click()
}

t.test('Keycloak says once that somebody logged out, and two processes hear it', async (t) => {
  const [realm, browser, redis, origin] = await Promise.all([makeRealm(t), startBrowser(t), startRedis(t), serveApplication(t)])
  await allowPage(realm, origin)
  await allowRush(realm)
  const settings = { ...realm.settings, REDIS_URL: redis.url, OIDC_LOGOUT_AUDIENCES: 'web,try-it', WS_ALLOWED_ORIGINS: origin, WS_USER_CONNECTIONS: '100' }
  const [here, there] = await Promise.all([startGateway(t, settings), startGateway(t, settings)])
  for (const client of ['web', 'try-it']) await tellLogouts(realm, client, here)
  const user = (await realm.call('GET', '/users?username=alice&exact=true') as Array<{ id: string }>)[0]?.id ?? ''

  /** A session of alice's with a socket on each process. */
  const join = async (t: Test) => {
    const tokens = await realm.logIn()
    const clients = await Promise.all([here, there].map(async gateway => await enter(t, gateway, tokens.access_token)))
    return { tokens, clients, sid: sidOf(tokens.access_token), closes: Promise.all(clients.map(async ({ closed }) => await closed)) }
  }

  /** A session in the browser, whose page holds a socket; and one more on the other process. */
  const joinByPage = async (t: Test, page: Page) => {
    const token = await logIn(page, { origin, issuer: realm.issuer, gatewayUrl: `ws://127.0.0.1:${here.port}/ws` })
    await until('the page\'s socket is open', async () => await page.evaluate('window.frames.length > 0'))
    return { sid: sidOf(token), client: await enter(t, there, token) }
  }

  await t.test('by the button of its logout page', async (t) => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const { sid, client } = await joinByPage(t, page)
    const other = await join(t)
    const button = await context.newPage()
    await button.goto(`${realm.issuer}/protocol/openid-connect/logout?client_id=web`)
    await button.getByRole('button', { name: 'Logout' }).click()
    t.match(await client.closed, REVOKED)
    await until('the page\'s socket is closed', async () => await page.evaluate('window.ended !== undefined'))
    t.match(await page.evaluate('window.ended'), /^4401 .*"revoked"/)
    t.match(await here.waitForLog('logout.heard', isHeard(`sid:${sid}`)), { outcome: 'kept', issuer: 'keycloak' })
    for (const each of other.clients) await answers(t, each)
  })

  await t.test('by an application that gives its refresh token back', async (t) => {
    const { tokens, sid, closes } = await join(t)
    const form = new URLSearchParams({ client_id: 'try-it', refresh_token: tokens.refresh_token ?? '' })
    const { status } = await fetch(`${realm.issuer}/protocol/openid-connect/logout`, { method: 'POST', body: form })
    t.equal(status, 204, 'Keycloak is content with the gateway\'s answer')
    t.match(await closes, [REVOKED, REVOKED])
    await here.waitForLog('logout.heard', isHeard(`sid:${sid}`))
  })

  await t.test('by an administrator who ends a session: that one, and no other of the user', async (t) => {
    const [gone, stays] = [await join(t), await join(t)]
    await realm.call('DELETE', `/sessions/${gone.sid}`)
    t.match(await gone.closes, [REVOKED, REVOKED])
    for (const each of stays.clients) await answers(t, each)
  })

  await t.test('by an administrator who logs the user out: each session, told one by one', async (t) => {
    const sessions = [await join(t), await join(t)]
    await realm.call('POST', `/users/${user}/logout`)
    for (const { closes, sid } of sessions) {
      t.match(await closes, [REVOKED, REVOKED])
      await here.waitForLog('logout.heard', isHeard(`sid:${sid}`))
    }
  })

  await t.test('by the user, who signs out on all devices', async (t) => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const byPage = await joinByPage(t, page)
    const other = await join(t)
    await signOutEverywhere(await context.newPage(), realm)
    t.match(await other.closes, [REVOKED, REVOKED])
    t.match(await byPage.client.closed, REVOKED)
    await until('the page\'s socket is closed', async () => await page.evaluate('window.ended !== undefined'))
  })

  await t.test('and it says nothing of a realm\'s logout of all, of not-before, of a new password, of a user who is disabled', async (t) => {
    const { id } = await realm.call('GET', `/users/${user}`) as { id: string }
    const silent: ReadonlyArray<readonly [string, () => Promise<unknown>]> = [
      ['logout-all', async () => await realm.call('POST', '/logout-all')],
      ['not-before', async () => await realm.call('PUT', '', { ...await realm.call('GET', '') as Json, notBefore: Math.floor(Date.now() / 1000) - 60 })],
      ['a new password', async () => await realm.call('PUT', `/users/${id}/reset-password`, { type: 'password', value: 'alice-tries-it', temporary: false })],
      ['disabled', async () => {
        const { attributes: _, ...before } = await realm.call('GET', `/users/${id}`) as Json
        await realm.call('PUT', `/users/${id}`, { ...before, enabled: false })
        await realm.call('PUT', `/users/${id}`, { ...before, enabled: true })
      }]
    ]
    const told = (): number => here.log.filter(({ event }) => event.startsWith('logout.')).length
    const spoken: string[] = []
    for (const [name, act] of silent) {
      const quiet = await join(t)
      const before = told()
      await act()
      // One that is told comes after whatever those before it might have had told.
      const last = await join(t)
      await realm.call('DELETE', `/sessions/${last.sid}`)
      await last.closes
      if (told() - before !== 1) spoken.push(name)
      for (const each of quiet.clients) await answers(t, each)
    }
    t.same(spoken, [])
  })

  await t.test('of a client whose logouts name no session, all of the user that had begun until then', async (t) => {
    await tellLogouts(realm, 'try-it', here, { withSession: false })
    const [gone, too] = [await join(t), await join(t)]
    await realm.call('DELETE', `/sessions/${gone.sid}`)
    t.match(await gone.closes, [REVOKED, REVOKED])
    t.match(await too.closes, [REVOKED, REVOKED])
    await here.waitForLog('logout.heard', isHeard(`sub:${user}`))
  })
})
