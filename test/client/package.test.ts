// What `npm pack` makes of packages/client, used as who installs it does: from a folder that has nothing else.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildSync } from 'esbuild-wasm'
import t, { type Test } from 'tap'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { startBrowser } from './browser.js'
import { tokenOf } from './token-of.js'
import { startScriptedServer, type ScriptedServer } from './scripted-server.js'

const run = promisify(execFile)
const at = (path: string): string => fileURLToPath(new URL(path, PROJECT))
const PACKED = at('packages/client')

/** A folder with the package in it, and these of the project's own packages. */
async function makeFolder (t: Test, ...packages: readonly string[]): Promise<string> {
  const folder = t.testdir({})
  const installed = join(folder, 'node_modules/@portcullis/client')
  await mkdir(installed, { recursive: true })
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: PACKED })
  await run('tar', ['-xzf', join(folder, stdout.trim()), '--strip-components=1', '-C', installed])
  for (const name of packages) {
    await mkdir(join(folder, 'node_modules', name, '..'), { recursive: true })
    await symlink(at(`node_modules/${name}`), join(folder, 'node_modules', name))
  }
  return folder
}

/** What the compiler says of a project. */
async function faultsOf (project: string): Promise<string> {
  const checked = run(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', project])
  return await checked.then(({ stdout }) => stdout, (error: unknown) => (error as { readonly stdout: string }).stdout)
}

/** A gateway that lets everybody in, and that publishes as it is told to. */
async function startGateway (t: Test): Promise<ScriptedServer> {
  return await startScriptedServer(t, (peer, n) => {
    peer.welcome({ positions: { 'user:alice': 'u1:0' }, ...(n === 1 ? {} : { recovered: true }) })
  }, (peer, frame) => {
    const isBack = frame['since'] !== undefined
    const listed = { agent_ids: frame['agent_ids'] ?? [], task_ids: [] }
    if (frame.type === 'unsubscribe') return peer.send({ type: 'unsubscribed', id: frame['id'], ...listed })
    peer.send({
      type: 'subscribed', id: frame['id'], ...listed, positions: { 'agent:a1': 'e1:0' }, ...(isBack ? { recovered: { 'agent:a1': false } } : {})
    })
  })
}

t.test('it ships one module, one file for a script tag, their maps, and the types that they lead to', async (t) => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: PACKED })
  const [packed] = JSON.parse(stdout) as [{ readonly files: ReadonlyArray<{ readonly path: string }>, readonly size: number }]
  const paths = packed.files.map(({ path }) => path)
  const types = paths.filter(path => /^dist\/types\/[a-z-]+\.d\.ts$/.test(path))
  t.same(paths.filter(path => !types.includes(path)).toSorted(), [
    'LICENSE', 'README.md', 'dist/index.js', 'dist/index.js.map', 'dist/portcullis-client.js', 'dist/portcullis-client.js.map', 'package.json'
  ])
  t.ok(types.length <= 18, `${types.length} files of types`)
  t.ok(packed.size < 160_000, `${packed.size} bytes`)
  t.equal(await readFile(join(PACKED, 'LICENSE'), 'utf8'), await readFile(at('LICENSE'), 'utf8'))
})

const README = /^```js\n(.*?)^```$/ms.exec(await readFile(join(PACKED, 'README.md'), 'utf8'))?.[1] ?? ''

t.test('in Node the example of its README says what it does; Node 20 is told what it lacks', async (t) => {
  const [folder, gateway] = await Promise.all([makeFolder(t, 'ws'), startGateway(t)])
  const program = README.replace('wss://gateway.example/ws', gateway.url)
    .replace(/token: async .*/, "token: async () => 'a.b.c',\n  ...(globalThis.WebSocket === undefined ? { WebSocket: (await import('ws')).WebSocket } : {}),")
  await writeFile(join(folder, 'program.mjs'), `${program}\nclient.on('event', () => client.close())`)
  const ended = run(process.execPath, ['program.mjs'], { cwd: folder })
  let output = ''
  ended.child.stdout?.on('data', (text: string) => { output += text })
  await until('it is open', () => output.includes('open'))
  gateway.peers[0]?.send({ type: 'event', topic: 'agent:a1', event: 'status', data: 'busy', ts: '', pos: 'e1:1' })
  t.same((await ended).stdout.trim().split('\n').map(line => line.trim()), ['connecting', 'open', 'agent:a1 status busy', 'closed closed'])

  await writeFile(join(folder, 'without.mjs'), `delete globalThis.WebSocket
    import { connect, RequestError } from '@portcullis/client'
    try { connect({ url: 'ws://127.0.0.1/ws', token: () => null }) } catch (error) { console.log(error.name, error.message, new RequestError('x', 'y').reason) }`)
  t.match((await run(process.execPath, ['without.mjs'], { cwd: folder })).stdout, /^TypeError WebSocket: there is none here \(Node 20 and 21\): npm install ws.* x$/m)
})

t.test('its types are whole, with and without a page\'s own', async (t) => {
  const folder = await makeFolder(t, '@types/node', 'undici-types')
  await writeFile(join(folder, 'use.ts'), `
    import { connect, RequestError, type ClientOptions, type ClientState } from '@portcullis/client'
    const options: ClientOptions = { url: 'wss://x/ws', token: () => null, debug: true }
    const client = connect<{ status: { state: string } }>(options)
    client.on('event', ({ event, data }) => { const status: 'status' = event; console.log(status, data.state) })
    const state: ClientState = client.state
    if (state.status === 'waiting') console.log(state.because.cause)
    client.send('agent:a1', 1).catch((error: unknown) => { if (error instanceof RequestError) console.log(error.reason) })
    // @ts-expect-error: no such option
    connect({ url: '', token: () => null, tokens: 1 })
  `)
  const options = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, target: 'es2022', module: 'nodenext' }
  const surroundings = { 'tsconfig.node.json': { lib: ['es2022'], types: ['node'] }, 'tsconfig.page.json': { lib: ['es2022', 'dom'], types: [] } }
  await Promise.all(Object.entries(surroundings).map(async ([file, more]) => {
    await writeFile(join(folder, file), JSON.stringify({ compilerOptions: { ...options, ...more }, files: ['use.ts'] }))
    t.equal(await faultsOf(join(folder, file)), '', file)
  }))
})

/** Serves these pages and scripts; `/state` says which state a topic has now. */
async function serve (t: Test, files: ReadonlyMap<string, string>, state: () => string): Promise<string> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://localhost')
    const body = pathname === '/state' ? state() : pathname === '/token' ? tokenOf('alice') : files.get(pathname)
    response.writeHead(body === undefined ? 404 : 200, { 'Content-Type': pathname.endsWith('.js') ? 'text/javascript' : 'text/html' }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('in a page', async (t) => {
  const browser = await startBrowser(t)

  await t.test('a script tag gives the same client', async (t) => {
    const [folder, gateway] = await Promise.all([makeFolder(t), startGateway(t)])
    const script = await readFile(join(folder, 'node_modules/@portcullis/client/dist/portcullis-client.js'), 'utf8')
    const origin = await serve(t, new Map([['/', '<!doctype html><script src="portcullis-client.js"></script>'], ['/portcullis-client.js', script]]), () => '')
    const page = await (await browser.newContext()).newPage()
    await page.goto(origin)
    await page.evaluate(`window.told = []
      portcullis.connect({ url: '${gateway.url}', token: () => 'a.b.c', agents: ['a1'] }).on('state', ({ status }) => told.push(status))`)
    await until('it is open', async () => await page.evaluate('told.at(-1)') === 'open')
    t.equal(await page.evaluate("new portcullis.RequestError('x', 'y').reason"), 'x')
  })

  await t.test('the example for React is built, loads a state once, moves it by events, and loads it anew only after a loss', async (t) => {
    const [folder, gateway] = await Promise.all([makeFolder(t, 'react', 'react-dom', '@types/react', '@types/react-dom', 'csstype'), startGateway(t)])
    const example = join(folder, 'example')
    await mkdir(example)
    for (const file of ['app.tsx', 'use-topic.ts', 'tsconfig.json', 'index.html']) {
      await writeFile(join(example, file), await readFile(join(PACKED, 'examples/react', file)))
    }
    t.equal(await faultsOf(example), '')
    await writeFile(join(example, 'app.tsx'), (await readFile(join(example, 'app.tsx'), 'utf8')).replace("'/ws'", JSON.stringify(gateway.url)))
    const { outputFiles: [app] } = buildSync({
      entryPoints: [join(example, 'app.tsx')], bundle: true, write: false, format: 'esm', jsx: 'automatic', define: { 'process.env.NODE_ENV': '"development"' }
    })
    let [state, loads] = ['idle', 0]
    const html = (await readFile(join(example, 'index.html'), 'utf8')).replace('/app.tsx', '/app.js')
    const origin = await serve(t, new Map([['/', html], ['/app.js', app?.text ?? '']]), () => { loads++; return state })
    const page = await (await browser.newContext()).newPage()
    const said: string[] = []
    page.on('pageerror', (error) => { said.push(String(error)) })
    page.on('console', (message) => { if (message.type() === 'error') said.push(message.text()) })
    await page.goto(origin)
    const shows = async (text: string): Promise<void> => {
      await until(text, async () => (await page.locator('.a1').allTextContents()).every(one => one === text) && await page.locator('.a1').count() === 2)
    }
    await shows('a1 is idle')
    const loadsOnce = loads
    gateway.peers[0]?.send({ type: 'event', topic: 'agent:a1', event: 'status', data: { state: 'busy' }, ts: '', pos: 'e1:1' })
    await shows('a1 is busy')
    t.equal(loads, loadsOnce, 'an event needs no load')
    state = 'away'
    gateway.peers[0]?.socket.terminate()
    await shows('a1 is away')
    t.equal(await page.locator('#connection').textContent(), 'open')
    t.same(said.filter(line => !line.includes('WebSocket connection')), [])
  })
})
