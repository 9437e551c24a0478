import t from 'tap'
import type { Browser, Page } from 'playwright-core'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { look, pageReached, servePage, startBrowser, type PageServer } from './browser.js'
import { tokenOf } from './token-of.js'
import { startRestartableGateway } from './restartable-gateway.js'
import { startScriptedServer } from './scripted-server.js'

async function open (browser: Browser, site: PageServer, query: Record<string, string>): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  await page.goto(`${site.origin}/?${String(new URLSearchParams(query))}`)
  await until('the module is loaded', async () => await page.evaluate('window.isLoaded === true'))
  return page
}

t.test('a page with the client as a plain module', async (t) => {
  const [browser, issuer, site] = await Promise.all([startBrowser(t), startIssuer(t), servePage(t)])
  site.token = () => issuer.sign({ agents: ['a1', 'a2'], scope: 'ws:send' })
  const gateway = await startRestartableGateway(t, issuer, { WS_ALLOWED_ORIGINS: site.origin })

  await t.test('connects, hears events, sends, and survives a restart of the gateway', async (t) => {
    const page = await open(browser, site, { url: gateway.url, agents: 'a1' })
    await pageReached(page, 'open')
    await page.evaluate("client.subscribe({ agents: ['a2'] })")
    await gateway.publish('agent:a1', 'x', { n: 1 })
    t.equal(await page.evaluate("client.send('agent:a1', { hello: 'from a page' }).then(() => 'stored')"), 'stored')
    await gateway.crash()
    await pageReached(page, 'waiting')
    await gateway.start()
    await pageReached(page, 'open', 2)
    await gateway.publish('agent:a2', 'x', { n: 2 })
    await until('both events', async () => (await look(page)).events.length === 2)
    t.match((await look(page)).events, [{ topic: 'agent:a1', data: { n: 1 } }, { topic: 'agent:a2', data: { n: 2 } }])
    await page.evaluate('client.close()')
    t.same((await look(page)).faults, [])
  })

  await t.test('waits while there is no network, and comes back with it', async (t) => {
    const page = await open(browser, site, { url: gateway.url, agents: 'a1' })
    await pageReached(page, 'open')
    await page.context().setOffline(true)
    await gateway.crash()
    await pageReached(page, 'waiting')
    await gateway.start()
    t.same((await look(page)).states.map(({ status }) => status), ['connecting', 'open', 'waiting'], 'no attempt without a network')
    await page.context().setOffline(false)
    await pageReached(page, 'open', 2)
    await page.evaluate('client.close()')
    t.same((await look(page)).faults, [])
  })

  await t.test('asks for what it missed while it was loaded again, and another tab does not', async (t) => {
    const server = await startScriptedServer(t, (peer) => {
      const since = peer.query.get('since')
      peer.welcome({ positions: { 'user:alice': since ?? 'u1:0' }, ...(since === null ? {} : { recovered: true }) })
      const offset = Number(since?.split(':')[1] ?? 0) + 1
      peer.send({ type: 'event', topic: 'user:alice', event: 'x', data: offset, ts: '', pos: `u1:${offset}` })
    })
    site.token = () => tokenOf('alice')
    const page = await open(browser, site, { url: server.url, storage: 'sessionStorage' })
    await until('an event', async () => (await look(page)).events.length === 1)
    await page.reload()
    await until('an event', async () => (await look(page)).events.length === 1)
    t.match(await look(page), { recovered: [{ 'user:alice': true }], events: [{ data: 2 }], faults: [] })
    t.same(server.peers.map(peer => peer.query.get('since')), [null, 'u1:1'])
    const tab = await page.context().newPage()
    await tab.goto(page.url())
    await until('an event', async () => await tab.evaluate('window.seen?.events.length === 1'))
    t.match(await look(tab), { recovered: [{ 'user:alice': false }], events: [{ data: 1 }] })
  })

  await t.test('reads a refusal, which a browser cannot without `refuse=close`', async (t) => {
    site.token = () => issuer.sign({ iat: 1000, exp: 2000 })
    const page = await open(browser, site, { url: gateway.url })
    await pageReached(page, 'waiting')
    t.match((await look(page)).states[1], { status: 'waiting', because: { name: 'expired_token', code: 4401 } })
    t.same((await look(page)).faults, [])
  })

  await t.test('an origin that is not allowed gets no connection: a page cannot read why, and its client waits longer each time', async (t) => {
    const other = await servePage(t)
    const page = await open(browser, other, { url: gateway.url })
    other.token = () => issuer.sign()
    await page.reload()
    await pageReached(page, 'waiting')
    t.notOk((await look(page)).states.some(({ status }) => status === 'open'))
    t.same((await look(page)).faults, [])
  })
})
