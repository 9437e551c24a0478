import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { chromium, type Browser, type Page } from 'playwright-core'
import type { Lifetime } from '../support/gateway.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'

const at = (path: string): string => fileURLToPath(new URL(path, PROJECT))

/** Headless Chromium of the system; ends with the test. */
export async function startBrowser (t: Lifetime): Promise<Browser> {
  const { stdout } = await promisify(execFile)(process.execPath, [at('scripts/ensure-server.js'), 'chromium'])
  // The sandbox does not work for root; the only pages are this test's own.
  const browser = await chromium.launch({ executablePath: stdout.trim(), args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
  t.teardown(async () => { await browser.close() })
  return browser
}

export interface PageServer {
  readonly origin: string
  /** What `/token` answers from now on. */
  token: () => string
}

/** Serves the page, the built client as it is, tokens, and the same state for every topic. */
export async function servePage (t: Lifetime): Promise<PageServer> {
  const made = { origin: '', token: () => '' }
  const server = createServer((request, response) => {
    answer(request.url ?? '').then(
      ([type, body]) => { response.writeHead(200, { 'Content-Type': type }).end(body) },
      () => { response.writeHead(404).end() }
    )
  })
  async function answer (url: string): Promise<[string, string]> {
    const { pathname } = new URL(url, 'http://localhost')
    if (pathname === '/') return ['text/html', await readFile(at('test/client/page.html'), 'utf8')]
    if (pathname === '/token') return ['text/plain', made.token()]
    if (pathname === '/state') return ['text/plain', 'busy']
    const module = /^\/client\/([a-z-]+\.js)$/.exec(pathname)?.[1]
    if (module === undefined) throw new Error('no such page')
    return ['text/javascript', await readFile(at(`dist/client/${module}`), 'utf8')]
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  made.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return made
}

/** What the page has seen so far. */
export interface Seen {
  readonly states: ReadonlyArray<{ readonly status: string, readonly because?: { readonly name: string, readonly code: number | null } }>
  readonly events: ReadonlyArray<{ readonly topic: string, readonly data: unknown }>
  readonly recovered: ReadonlyArray<Readonly<Record<string, boolean>>>
  readonly faults: readonly string[]
}

export const look = async (page: Page): Promise<Seen> => await page.evaluate('window.seen')

export async function pageReached (page: Page, status: string, times = 1): Promise<void> {
  await until(`${status} ${times} times`, async () => (await look(page)).states.filter(state => state.status === status).length >= times)
}
