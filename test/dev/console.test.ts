import { mkdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Browser, Locator, Page, ViewportSize } from 'playwright-core'
import { REFUSALS } from '../../src/refusals.js'
import { startBrowser } from '../client/browser.js'
import { findFreePort } from '../support/free-port.js'
import { startRedis } from '../support/redis.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { startGateway, type Lifetime } from '../support/gateway.js'
import { until } from '../support/until.js'

const DESKTOP: ViewportSize = { width: 1200, height: 630 }
const PHONE: ViewportSize = { width: 360, height: 740 }
const HOSTILE = '<img src=x onerror="window.isHacked=true"><script>window.isHacked=true</script>'
/** Set to write the pictures that the README shows. */
const PICTURES = process.env['CONSOLE_PICTURES'] !== undefined

interface Console {
  readonly page: Page
  /** What the browser complained about. */
  readonly complaints: readonly string[]
  readonly row: (number: number) => Locator
  readonly frames: Locator
  field (form: string, label: string): Locator
  press (name: string): Promise<void>
  /** Waits until the text is seen. */
  see (where: Locator, text: string | RegExp): Promise<void>
}

const addressOf = (port: number): string => `http://127.0.0.1:${port}/`

async function startDev (t: Lifetime, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const port = await findFreePort()
  await startGateway(t, { PORT: String(port), ...env }, { program: 'dist/dev/main.js' })
  return addressOf(port)
}

async function openConsole (t: Test, browser: Browser, url: string, viewport = DESKTOP): Promise<Console> {
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce' })
  t.teardown(async () => { await context.close() })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => { if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text()) })
  page.on('pageerror', (error) => { complaints.push(error.message) })
  await page.goto(url)
  await until('the page knows the refusals', async () => await page.locator('#refusals > li').count() > 0)
  return {
    page,
    complaints,
    row: number => page.locator(`#sockets > li[data-number="${number}"]`),
    frames: page.locator('#log > li'),
    field: (form, label) => page.locator(`#${form}`).getByLabel(label),
    async press (name) { await page.getByRole('button', { name, exact: true }).click() },
    async see (where, text) { await where.filter({ hasText: text }).first().waitFor({ timeout: 60_000 }) }
  }
}

async function connect (console: Console, count = 1): Promise<void> {
  await console.field('connect', 'sockets to open').fill(String(count))
  await console.press('Connect')
}

async function photograph (page: Page, name: string): Promise<void> {
  if (!PICTURES) return
  mkdirSync('docs/images', { recursive: true })
  await page.evaluate('scrollTo(0, document.getElementById(innerWidth < 600 ? "live" : "setup").offsetTop - 80)')
  await page.screenshot({ path: `docs/images/${name}.png` })
}

/** Pairs of text and ground whose contrast is under 4.5 to 1 (WCAG 2.2, 1.4.3), of everything that is seen. */
const LOW_CONTRAST = `(() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = (colour) => {
    const [r, g, b] = parse(colour).map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor
      if (parse(colour)[3] !== 0) return colour
    }
    return 'rgb(255, 255, 255)'
  }
  const holdsText = (element) => element.matches('input, textarea, select') || [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
  return [...document.body.querySelectorAll('*')].filter((element) => element.checkVisibility() && holdsText(element)).flatMap((element) => {
    const [dark, light] = [getComputedStyle(element).color, groundOf(element)].map(luminance).sort((a, b) => a - b)
    const ratio = (light + 0.05) / (dark + 0.05)
    return ratio < 4.5 ? [element.outerHTML.slice(0, 80) + ' ' + ratio.toFixed(2)] : []
  })
})()`

/** What would have to be scrolled sideways to be read: the page, or a part of it that scrolls. */
const TOO_WIDE = `[...document.querySelectorAll('html, .scroll')]
  .filter(element => element.scrollWidth > element.clientWidth).map(element => element.tagName)`
/** Fields that a screen reader could not name. */
const UNLABELLED = `[...document.querySelectorAll('input, select, textarea')]
  .filter(field => field.labels.length === 0).map(field => field.name || field.id)`

t.test('the console page', async (t) => {
  const [browser, url] = await Promise.all([startBrowser(t), startDev(t, { WS_IP_CONNECTIONS: '1000', WS_IP_MESSAGES: '1000', WS_USER_CONNECTIONS: '3' })])

  await t.test('mints, connects by either carrier, subscribes, sends, publishes and refreshes, with every frame in the log', async (t) => {
    const view = await openConsole(t, browser, url)
    await view.field('mint', 'user (sub)').fill('walker')
    await view.press('Mint token')
    await view.see(view.page.locator('#claims'), /walker.*a1,a2.*t1.*ws:send.*in [45]:\d\d/)
    await connect(view)
    await view.see(view.row(1), /walker.*open.*hears agent:a1, user:walker/)
    await view.page.getByLabel('query', { exact: true }).check()
    await connect(view)
    await view.see(view.row(2), /open/)
    await view.see(view.page.getByRole('meter', { name: 'Sockets of walker' }).locator('..'), '2 of 3')

    await view.press('Subscribe')
    await view.see(view.row(1), 'hears agent:a1, agent:a2, user:walker')
    await view.field('publish', 'topic').fill('agent:a2')
    await view.press('Publish')
    await view.see(view.page.locator('#publish-status'), '202: published on agent:a2')
    await view.see(view.frames, /#1.*received.*"type":"event","topic":"agent:a2","event":"status","data":\{"state":"busy"\}/)
    t.equal(await view.frames.filter({ hasText: /#2.*agent:a2.*busy/ }).count(), 0, 'the other socket did not ask for it')
    await view.press('Unsubscribe')
    await view.see(view.row(1), /hears agent:a1, user:walker/)
    await view.press('Send')
    await view.see(view.frames, /#1.*received.*"type":"sent"/)
    await view.press('Ping')
    await view.see(view.frames, /#1.*received.*"type":"pong"/)
    await view.press('Refresh the token of socket 1')
    await view.see(view.frames, /#1.*sent.*"type":"refresh".*"token":"…"/)
    await view.see(view.frames, /#1.*received.*"type":"refreshed"/)
    t.notMatch(await view.page.content(), /eyJ/, 'no token is anywhere on the page')

    await view.page.locator('#log-of').selectOption({ label: '#2' })
    await until('only frames of socket 2', async () => (await view.page.locator('#log > li:visible .who').allTextContents()).every(who => who === '#2'))
    await view.press('Close socket 1')
    await view.see(view.row(1), /closed.*1000 normal/)
    t.same(view.complaints, [])
  })

  await t.test('counts down to the end of a token, and one click renews it', async (t) => {
    const view = await openConsole(t, browser, url)
    await view.field('mint', 'lifetime in s').fill('31')
    await view.press('Mint token')
    await connect(view)
    await view.see(view.row(1), /expiring/)
    await view.see(view.row(1), /expires in 0:(30|2\d)/)
    await view.field('mint', 'lifetime in s').fill('600')
    await view.press('Refresh the token of socket 1')
    await view.see(view.row(1), /open.*expires in (10:00|9:\d\d)/)
    t.same(view.complaints, [])
  })

  await t.test('tells what a refusal means and what to do about it', async (t) => {
    const view = await openConsole(t, browser, url)
    await view.field('mint', 'lifetime in s').fill('-60')
    await view.press('Mint token')
    await connect(view)
    await view.see(view.page.locator('#refusal'), /Socket #1: expired_token.*the token has expired.*Mint a token with a lifetime above 0, then connect again.*HTTP status 401.*close code 4401/s)
    await view.see(view.row(1), /refused.*4401 expired_token/)
    await view.field('mint', 'lifetime in s').fill('60')
    await view.press('Mint token')
    await connect(view)
    await view.see(view.row(2), /open/)
    await view.field('subscribe', 'agent_ids').fill('a9')
    await view.press('Subscribe')
    await view.see(view.frames, /"error":"forbidden".*not allowed, or no such thing \(HTTP 403, close 4403\)/)
    await view.see(view.row(2), /open/)
    await view.field('publish', 'X-Publish-Key').fill('wrong')
    await view.press('Publish')
    await view.see(view.page.locator('#publish-status.bad'), /^401: /)
    await view.page.getByLabel('none', { exact: true }).check()
    await connect(view)
    await view.see(view.row(3), /no token.*refused.*4401 missing_token/)
    const known = view.page.locator('#refusals > li')
    t.same(await known.locator('code').allTextContents(), Object.keys(REFUSALS))
    t.same(await known.filter({ has: view.page.locator('.seen:not([hidden])') }).locator('code').allTextContents(), ['missing_token', 'expired_token', 'forbidden'])
    t.same(view.complaints.filter(text => !text.includes('401 (Unauthorized)')), [], 'the browser itself notes the 401 of publish')
  })

  await t.test('shows what is hostile as text: names, events and their data', async (t) => {
    const view = await openConsole(t, browser, url)
    await view.field('mint', 'user (sub)').fill(HOSTILE + 'w'.repeat(100))
    await connect(view)
    await view.see(view.row(1), HOSTILE)
    await view.see(view.frames, /"type":"subscribed"/)
    await view.field('publish', 'event').fill(HOSTILE)
    await view.field('publish', 'data (JSON)').fill(JSON.stringify({ [HOSTILE]: HOSTILE, wide: 'w'.repeat(5000) }))
    await view.press('Publish')
    await view.see(view.frames, /received.*"type":"event".*<img src=x onerror=.*<script>.*more characters/s)
    t.equal(await view.page.evaluate('window.isHacked'), undefined)
    t.equal(await view.page.locator('#log img, #log script, #sockets img, #meters img').count(), 0)
    await view.page.setViewportSize(PHONE)
    t.same(await view.page.evaluate(TOO_WIDE), [])
    t.same(view.complaints, [])
  })

  await t.test('runs no script but its own, and loads nothing', async (t) => {
    const view = await openConsole(t, browser, url)
    await view.page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.isHacked = true' }))")
    await until('the browser refuses it', () => view.complaints.some(text => text.includes('Content Security Policy')))
    t.equal(await view.page.evaluate('window.isHacked'), undefined)
    t.same(await view.page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)"), [`${url}dev/console.json`])
  })

  await t.test('is walked by keyboard alone: what has the focus is seen, and follows the eye', async (t) => {
    const view = await openConsole(t, browser, url)
    const { page } = view
    const focused = async (): Promise<string> => await page.evaluate(
      "(({ name, value, id, textContent, tagName }) => tagName === 'BUTTON' || tagName === 'A' ? textContent : name || id || value || tagName)(document.activeElement)")
    const tabTo = async (wanted: string): Promise<void> => {
      for (let steps = 0; steps < 60; steps++) {
        await page.keyboard.press('Tab')
        t.match(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), /solid|auto/, `${await focused()} shows that it has the focus`)
        if (await focused() === wanted) return
      }
      t.fail(`no ${wanted} by Tab`)
    }
    await tabTo('Sockets')
    await tabTo('sub')
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type('keyboarder')
    await tabTo('Mint token')
    await page.keyboard.press('Enter')
    await view.see(page.locator('#claims'), 'keyboarder')
    await tabTo('carrier')
    await page.keyboard.press('ArrowDown')
    t.ok(await page.getByLabel('query', { exact: true }).isChecked())
    await tabTo('Connect')
    await page.keyboard.press('Enter')
    await view.see(view.row(1), 'open')
    await page.keyboard.press('Enter')
    await view.see(view.row(2), 'open')
    await tabTo('chosen')
    await page.keyboard.press('ArrowDown')
    await view.see(page.locator('#target'), 'socket #2')
    await tabTo('agent_ids')
    await page.keyboard.press('Enter')
    await view.see(view.row(2), 'agent:a2')
    await tabTo('topic')
    await page.keyboard.press('Enter')
    await view.see(view.frames, /#2.*"type":"event","topic":"agent:a1"/)
    await page.getByRole('button', { name: 'Close socket 2' }).focus()
    await page.keyboard.press('Space')
    await view.see(view.row(2), 'closed')
    await page.keyboard.press('Space')
    t.equal(await focused(), 'Close', 'the line is gone, and the focus is at its neighbour')
    t.same(view.complaints, [])
  })

  await t.test('on a phone Connect answers below its button, within sight, and its advice fits the cause', async (t) => {
    const view = await openConsole(t, browser, url, PHONE)
    const status = view.page.locator('#connect-status')
    const isInSight = `(() => {
      const { top, bottom } = document.getElementById('connect-status').getBoundingClientRect()
      return bottom > top && top >= document.querySelector('header').getBoundingClientRect().bottom && bottom <= innerHeight
    })()`
    await view.field('mint', 'user (sub)').fill('walker')
    await view.press('Mint token')
    await connect(view)
    await view.see(status, 'Socket #1 is open as walker.')
    t.equal(await view.page.evaluate(isInSight), true)
    await view.field('connect', 'agent_ids').fill('a9')
    await connect(view)
    await view.see(status, /^Socket #2: 4403 forbidden\. The token must list each id that is asked for/)
    t.equal(await view.page.evaluate(isInSight), true)
    await view.field('connect', 'agent_ids').fill('a1')
    await connect(view, 2)
    await view.see(status, '2 × open.')
    await view.page.getByRole('link', { name: 'See it' }).click()
    await until('the sockets are in sight', async () => await view.page.evaluate("document.getElementById('live').getBoundingClientRect().top < innerHeight / 2"))
    t.same(view.complaints, [])
  })

  await t.test('can be read on a phone and on a desktop, by day and by night', async (t) => {
    const view = await openConsole(t, browser, url, PHONE)
    await view.field('mint', 'user (sub)').fill('reader')
    await view.press('Mint token')
    await view.field('connect', 'task_ids').fill('t1')
    await connect(view, 3)
    for (let number = 1; number <= 3; number++) await view.see(view.row(number), 'hears agent:a1, task:t1')
    await view.press('25 pings')
    await view.see(view.frames, '"type":"pong","id":"25"')
    await view.press('Clear')
    await view.press('Subscribe')
    await view.press('Send')
    await view.see(view.frames, '"type":"sent"')
    await view.press('Publish')
    await view.see(view.frames, /#3.*"type":"event"/)
    await connect(view)
    await view.see(view.page.locator('#refusal'), 'user_connection_limit')
    await view.press('Close socket 2')
    await view.see(view.row(2), 'closed')
    t.same(await view.page.evaluate(UNLABELLED), [], 'each field has a label')
    for (const [name, viewport, colorScheme] of [['phone', PHONE, 'light'], ['phone', PHONE, 'dark'], ['desktop', DESKTOP, 'light'], ['desktop', DESKTOP, 'dark']] as const) {
      await view.page.setViewportSize(viewport)
      await view.page.emulateMedia({ colorScheme })
      await view.page.evaluate('document.getElementById("all-refusals").open = true')
      t.same(await view.page.evaluate(TOO_WIDE), [], `${name}, ${colorScheme}: nothing is wider than the window`)
      t.same(await view.page.evaluate(LOW_CONTRAST), [], `${name}, ${colorScheme}: contrast`)
      await view.page.evaluate('document.getElementById("all-refusals").open = false')
      await photograph(view.page, colorScheme === 'light' ? `console-${name}` : `console-${name}-dark`)
    }
    t.same(view.complaints, [])
  })
})

t.test('the console page shows positions, and what became of what a cut connection missed', async (t) => {
  const [browser, redis] = await Promise.all([startBrowser(t), startRedis(t)])
  const url = await startDev(t, { REDIS_URL: redis.url, WS_IP_CONNECTIONS: '1000' })
  const proxy = await startTcpProxy(t, Number(new URL(url).port))
  const view = await openConsole(t, browser, addressOf(proxy.port))
  const placesOf = (number: number): Locator => view.row(number).locator('.places > li')
  const publish = async (topic: string, data: number, id = ''): Promise<void> => {
    await view.field('publish', 'topic').fill(topic)
    await view.field('publish', 'data (JSON)').fill(String(data))
    await view.field('publish', 'id (may be left out)').fill(id)
    await view.press('Publish')
  }
  const status = view.page.locator('#publish-status')

  await view.field('connect', 'agent_ids').fill('a1,a2')
  await connect(view)
  await view.see(placesOf(1), /^agent:a1 at 0 of epoch …\w{6}$/)
  await publish('agent:a1', 1, 'run-1')
  await view.see(placesOf(1), /^agent:a1 at 1 of/)
  await view.see(status, '202: published on agent:a1, at 1')
  await publish('agent:a1', 1, 'run-1')
  await view.see(status, '202: was published before on agent:a1, at 1')
  await publish('user:alice', 1)
  await view.see(placesOf(1), /^user:alice at 1 of/)

  proxy.cut()
  await view.see(view.row(1), /lost.*1006/)
  await publish('agent:a1', 2)
  await view.see(status, '202: published on agent:a1, at 2')
  await publish('agent:a1', 3)
  await view.see(status, '202: published on agent:a1, at 3')
  await publish('user:alice', 2)
  await view.see(status, '202: published on user:alice, at 2')
  await redis.client.del('ws:history:{ws:topic:agent:a2}')
  await publish('agent:a2', 1)
  await view.see(status, '202: published on agent:a2, at 1')
  await view.press('Come back where socket 1 was')
  await view.see(placesOf(2), /^agent:a1 at 3 of epoch …\w{6} · recovered, 2 replayed$/)
  await view.see(placesOf(2), /^agent:a2 at 1 of epoch …\w{6} · not recovered$/)
  await view.see(placesOf(2), /^user:alice at 2 of epoch …\w{6} · recovered, 1 replayed$/)
  await view.see(view.frames, /#2.*"recovered":\{"agent:a1":true,"agent:a2":false\}.*Not recovered: agent:a2\. .*fetch the state anew/)
  t.equal(await view.frames.filter({ hasText: /#2.*"replayed":true/ }).count(), 3)
  await photograph(view.page, 'console-recovery')

  await redis.client.del('ws:history:{ws:topic:agent:a1}')
  await publish('agent:a1', 4)
  await view.see(placesOf(2), /^agent:a1 at 1 of epoch …\w{6} · gap$/)
  await view.see(view.frames, /#2.*"type":"gap".*Events of agent:a1 may be missing/)
  t.same(await view.page.evaluate(LOW_CONTRAST), [])
  await view.page.setViewportSize(PHONE)
  t.same(await view.page.evaluate(TOO_WIDE), [])
  await view.press('Close socket 2')
  await view.see(view.row(2), /closed/)
  await view.press('Come back where socket 2 was')
  await view.see(placesOf(3), /^agent:a1 at 1 of epoch …\w{6} · recovered, nothing was missed$/)
  t.same(view.complaints, [])
})

t.test('the console page at the limits of development mode', async (t) => {
  const [browser, url] = await Promise.all([startBrowser(t), startDev(t, { WS_IP_MESSAGES: '20' })])
  const view = await openConsole(t, browser, url)
  const meter = (name: string): Locator => view.page.getByRole('meter', { name }).locator('..')

  await connect(view, 6)
  await view.see(view.page.locator('#refusal'), /user_connection_limit.*this user has too many open connections.*Close one of this user.s sockets.*429.*4429/s)
  await view.see(meter('Sockets of alice'), /5 of 5.*Full\. Room when one of them closes/)
  await view.see(meter('Attempts'), /Attempts in 60 s.*6 of 10/)
  await view.press('Close all')
  await view.see(meter('Sockets of alice'), '0 of 5')

  await connect(view, 4)
  await view.see(meter('Attempts'), /10 of 10.*Full\. Room again in \d+ s/)
  await connect(view)
  await view.see(view.page.locator('#refusal'), /Socket #11: ip_rate_limited.*too many connection attempts from this address.*\d+ s to go/s)
  await connect(view)
  await view.see(view.row(12), /refused.*1006 ip_rate_limited/)
  await view.see(view.page.locator('#refusal'), 'Not let in, most likely: too many connection attempts')
  await view.see(meter('Attempts'), /10 of 10/)

  await view.see(view.row(7), 'open')
  await view.row(7).getByRole('radio').check()
  await view.press('25 pings')
  await view.see(view.row(7), /ended.*4429 too_many_requests/)
  await view.see(view.page.locator('#refusal'), /Socket #7: too_many_requests.*too many messages.*\d+ s to go/s)
  await view.see(meter('Messages'), /Messages in 60 s.*of 20.*Full\. Room again in \d+ s/)
  await view.press('Clear ended')
  t.equal(await view.page.locator('#sockets > li').count(), 3)
})
