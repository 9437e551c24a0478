import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { makeCertificate } from '../support/certificate.js'
import { freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import {
  findProxy, openThrough, outcomesOfOrigins, outcomesOfToken, outcomeThrough, signToLength, startProxy, type NextClient, type ThroughProxy
} from './front-proxy.js'
import { readGuideFile, replaceAllOf, runGuide } from './guide-commands.js'
import { ASKED_SETTINGS, OUTCOMES, outcomesOfRequests } from './requests-through.js'
import { rollThrough } from './rolling-restart.js'

const LONGEST_TOKEN = 12_000
const TEMP_PATHS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

interface TestNginx extends ThroughProxy {
  readonly port: number
  readonly certFile: string
  /** Everything in all of its logs. */
  logs (): Promise<string>
  accessLines (): Promise<Array<Record<string, unknown>>>
}

/** The guide's configuration, on another port and with other folders; `change` changes more of it. */
async function startNginx (t: Test, gatewayPort: number, change: Readonly<Record<string, string>> = {}): Promise<TestNginx> {
  const [{ certFile, keyFile }, program, port] = [await makeCertificate(t), await findProxy('nginx'), await findFreePort()]
  const folder = t.testdir({})
  await mkdir(join(folder, 'temp'))
  const config = replaceAllOf(readGuideFile('nginx.conf'), {
    'worker_processes auto': 'worker_processes 1',
    'http {': `http {\n${TEMP_PATHS.map(name => `  ${name}_temp_path ${folder}/temp/${name};`).join('\n')}`,
    'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
    '/etc/nginx/tls/fullchain.pem': certFile,
    '/etc/nginx/tls/privkey.pem': keyFile,
    '/var/log/nginx/': `${folder}/`,
    '/run/nginx.pid': `${folder}/nginx.pid`,
    'server 127.0.0.1:9001': `server 127.0.0.1:${gatewayPort}`,
    ...change
  })
  await writeFile(join(folder, 'nginx.conf'), config)
  const output = await startProxy(t, program, ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log'), '-g', 'daemon off;'], port)
  const read = async (name: string): Promise<string> => await readFile(join(folder, name), 'utf8').catch(() => '')
  return {
    port,
    base: `wss://127.0.0.1:${port}`,
    certFile,
    logs: async () => (await Promise.all(['gateway.log', 'gateway-error.log', 'error.log'].map(read))).join('') + output(),
    accessLines: async () => (await read('gateway.log')).split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Record<string, unknown>)
  }
}

async function isOpen (t: Test, path: string, through: ThroughProxy): Promise<WebSocket> {
  const opened = await openThrough(t, path, through)
  if (opened instanceof WebSocket) return opened
  throw new Error(`refused: ${opened.status} ${opened.body}`)
}

const ipOf = async (gateway: TestGateway, user: string): Promise<unknown> =>
  (await gateway.waitForLog('connection.accepted', line => line['user_id'] === user))['ip']

t.test('behind the guide\'s nginx', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...ASKED_SETTINGS, TRUSTED_PROXIES: '127.0.0.1/32', WS_PING_INTERVAL_S: '1', WS_USER_CONNECTIONS: '100' })
  const nginx = await startNginx(t, gateway.port, { 'proxy_read_timeout    90s': 'proxy_read_timeout 3s' })
  const { base, certFile } = nginx
  const through: NextClient = (more = {}) => ({ base, certFile, from: freshAddress(), ...more })

  await t.test('the commands of the guide print what it shows', async (t) => {
    await runGuide(t, 'nginx.md', { replace: { 'https://gateway.example.com': `https://127.0.0.1:${nginx.port}` }, env: { CURL_CA_BUNDLE: nginx.certFile } })
  })

  await t.test('the address is the client\'s, whatever the client claims', async (t) => {
    const from = freshAddress()
    await isOpen(t, '/ws', through({ from, headers: { authorization: `Bearer ${issuer.sign({ sub: 'plain' })}` } }))
    t.equal(await ipOf(gateway, 'plain'), from)
    await isOpen(t, '/ws', through({ from, headers: { authorization: `Bearer ${issuer.sign({ sub: 'liar' })}`, 'x-forwarded-for': '198.51.100.1' } }))
    t.equal(await ipOf(gateway, 'liar'), from)
  })

  await t.test('each client has a window of its own, and a refusal comes through whole', async (t) => {
    const from = freshAddress()
    for (let i = 0; i < 10; i++) t.equal(await outcomeThrough(t, '/ws', through({ from })), '401')
    const refused = await openThrough(t, '/ws', through({ from }))
    t.match(refused, { status: 429, body: /"error":"ip_rate_limited"/, retryAfter: /^\d+$/ })
    t.equal(await outcomeThrough(t, '/ws', through()), '401')
  })

  await t.test('the longest token passes in each of its places', async (t) => {
    const token = signToLength(claims => issuer.sign(claims), { sub: 'wordy' }, LONGEST_TOKEN - 3)
    t.ok(token.length > LONGEST_TOKEN - 4 && token.length <= LONGEST_TOKEN, String(token.length))
    t.same(await outcomesOfToken(t, token, through), ['open', 'open', 'open'])
    const usual = await startNginx(t, gateway.port, { 'large_client_header_buffers 4 16k;': '' })
    t.equal(await outcomeThrough(t, `/ws?token=${token}`, { ...usual, from: freshAddress() }), '414', 'with nginx\'s own default it would not')
  })

  await t.test('the page\'s own host is a good origin, another is not', async (t) => {
    t.same(await outcomesOfOrigins(t, issuer.sign(), through), ['open', '403'])
  })

  await t.test('the gateway\'s pings keep a silent connection open beyond proxy_read_timeout', async (t) => {
    const socket = await isOpen(t, '/ws', through({ headers: { authorization: `Bearer ${issuer.sign({ sub: 'silent' })}` } }))
    let pings = 0
    socket.on('ping', () => { pings++ })
    await until('six pings came', () => pings >= 6 || socket.readyState !== WebSocket.OPEN)
    t.equal(socket.readyState, WebSocket.OPEN)
  })

  await t.test('nothing but the WebSocket paths is served', async (t) => {
    for (const path of ['/', '/v1/publish', '/metrics', '/ws/', '/ws/other', '/wsx']) {
      t.match(await openThrough(t, path, through()), { status: 404, body: /"error":"not_found"/ }, path)
    }
  })

  await t.test('tickets, logouts and signals pass, a proof names the address that its client sees; publish and recheck stay inside', async (t) => {
    t.same(await outcomesOfRequests(t, issuer, through), OUTCOMES)
  })

  await t.test('no token is in any log, and the access log tells the path and the outcome', async (t) => {
    const token = issuer.sign({ sub: 'logged' })
    await isOpen(t, `/ws?token=${token}`, through({ headers: { referer: `https://app.example/?token=${token}` } })).then(socket => { socket.close() })
    t.equal(await outcomeThrough(t, `/other?token=${token}`, through()), '404')
    t.equal(await outcomeThrough(t, `/ws?token=${token}&agent_ids=,`, through()), '400')
    await until('the lines are written', async () => (await nginx.accessLines()).some(line => line['path'] === '/other'))
    await until('the line of the closed connection is written', async () => (await nginx.accessLines()).some(line => line['status'] === 101))
    t.match((await nginx.accessLines()).find(line => line['status'] === 400 && line['path'] === '/ws'), { method: 'GET', upstream_status: '400' })
    t.notMatch(await nginx.logs(), token.slice(0, 40))
    t.notMatch(await nginx.logs(), /eyJ/)
  })

  await t.test('a drain\'s close code reaches the client', async (t) => {
    const socket = await isOpen(t, '/ws', through({ headers: { authorization: `Bearer ${issuer.sign({ sub: 'drained' })}` } }))
    const code = new Promise(resolve => { socket.once('close', resolve) })
    gateway.signal('SIGTERM')
    t.equal(await code, 1012)
    await gateway.exited
  })

  await t.test('with no gateway there is 502, which the access log tells without the token', async (t) => {
    const token = issuer.sign({ sub: 'unlucky' })
    t.equal(await outcomeThrough(t, `/ws?token=${token}`, through()), '502')
    await until('the line is written', async () => (await nginx.accessLines()).some(line => line['status'] === 502 && line['path'] === '/ws'))
    t.notMatch(await nginx.logs(), /eyJ/)
    const usual = await startNginx(t, gateway.port, { 'gateway-error.log emerg': 'gateway-error.log error' })
    t.equal(await outcomeThrough(t, `/ws?token=${token}`, { ...usual, from: freshAddress() }), '502')
    await until('the error log has it', async () => (await usual.logs()).includes(token))
  })
})

t.test('a rolling restart of two gateways behind the guide\'s nginx', async (t) => {
  await rollThrough(t, async ([first = 0, second = 0]) => await startNginx(t, first, {
    [`server 127.0.0.1:${first} max_fails=0;`]: `server 127.0.0.1:${first} max_fails=0;\n    server 127.0.0.1:${second} max_fails=0;`
  }))
})
