import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { readClientFiles } from '../../src/dev/client-files.js'
import { startBrowser } from '../client/browser.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, type Lifetime } from '../support/gateway.js'

async function startDev (t: Lifetime, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const port = await findFreePort()
  await startGateway(t, { PORT: String(port), ...env }, { program: 'dist/dev/main.js' })
  return `http://127.0.0.1:${port}`
}

t.test('only plain modules of the directory are taken', async (t) => {
  const directory = t.testdir({ 'a-b.js': 'export {}', 'a.js.map': '{}', 'a.d.ts': '', '.hidden.js': '', '..js': '', 'b%2e.js': '', 'c:d.js': '', '*.js': '' })
  await mkdir(`${directory}/folder.js`)
  await writeFile(`${directory}/secret`, 'secret')
  await symlink(`${directory}/secret`, `${directory}/link.js`)
  t.same([...readClientFiles(pathToFileURL(`${directory}/`))], [['a-b.js', 'export {}']])
  t.throws(() => readClientFiles(pathToFileURL(`${directory}/nowhere/`)), { code: 'ENOENT' })
})

t.test('a dev gateway serves the client: every import resolves, and nothing else of the folder is there', async (t) => {
  const base = await startDev(t)
  const seen = new Set<string>()
  const open = [`${base}/client/connect.js`]
  for (let url = open.pop(); url !== undefined; url = open.pop()) {
    if (seen.has(url)) continue
    seen.add(url)
    const response = await fetch(url)
    t.equal(response.status, 200, url)
    t.equal(response.headers.get('content-type'), 'text/javascript; charset=utf-8')
    t.equal(response.headers.get('x-content-type-options'), 'nosniff')
    const imports = [...(await response.text()).matchAll(/\b(?:from|import) ?\(?'([^']+)'/g)].map(([, name = '']) => name)
    for (const name of imports) {
      t.match(name, /^\.\/[a-z-]+\.js$/)
      open.push(new URL(name, url).href)
    }
  }
  t.ok(seen.size > 10, `${seen.size} modules`)
  for (const path of ['', 'connect', 'connect.js.map', 'connect.d.ts', 'nothing.js', '..%2fmain.js', '%2e%2e/main.js', 'constructor']) {
    t.equal((await fetch(`${base}/client/${path}`)).status, 404, path)
  }
})

t.test('in a browser', async (t) => {
  const browser = await startBrowser(t)

  await t.test('the example page connects and shows events', async (t) => {
    const base = await startDev(t)
    const page = await browser.newPage()
    t.teardown(async () => { await page.close() })
    const complaints: string[] = []
    page.on('console', (message) => { complaints.push(message.text()) })
    page.on('pageerror', (error) => { complaints.push(error.message) })
    await page.goto(`${base}/dev/example`)
    await page.locator('#log').filter({ hasText: '"open"' }).waitFor({ timeout: 60_000 })
    t.match(await page.locator('#log').textContent(), '"user_id":"alice"')
    t.same(complaints, [])
  })

  await t.test('a page of a listed origin imports the client, gets a token and connects; one of another origin does not', async (t) => {
    const site = await startDev(t)
    const base = await startDev(t, { WS_ALLOWED_ORIGINS: site })
    for (const [origin, outcome] of [[site, 'alice'], [site.replace('127.0.0.1', 'localhost'), 'refused']] as const) {
      const page = await browser.newPage()
      t.teardown(async () => { await page.close() })
      // A page of that origin without a policy of its own.
      await page.goto(`${origin}/dev/jwks.json`)
      const told = await page.evaluate(`(async () => {
        const { connect } = await import('${base}/client/connect.js')
        const token = async () => await (await fetch('${base}/dev/token')).text()
        return await new Promise((resolve) => { connect({ url: '${base}/ws', token }).on('welcome', (frame) => { resolve(frame.user_id) }) })
      })().catch(() => 'refused')`)
      t.equal(told, outcome, origin)
    }
  })
})
