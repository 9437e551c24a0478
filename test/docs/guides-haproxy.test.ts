import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { makeCertificate } from '../support/certificate.js'
import { freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import {
  findProxy, openThrough, outcomesOfOrigins, outcomesOfToken, outcomeThrough, signToLength, startProxy, type NextClient, type ThroughProxy
} from './front-proxy.js'
import { readGuideFile, replaceAllOf, runGuide } from './guide-commands.js'
import { ASKED_SETTINGS, OUTCOMES, outcomesOfRequests } from './requests-through.js'
import { rollThrough } from './rolling-restart.js'

interface TestHaproxy extends ThroughProxy {
  readonly port: number
  readonly certFile: string
  logs (): string
}

/** The guide's configuration, on another port; `change` changes more of it. */
async function startHaproxy (t: Test, gatewayPort: number, change: Readonly<Record<string, string>> = {}): Promise<TestHaproxy> {
  const [{ certFile, keyFile }, program, port] = [await makeCertificate(t), await findProxy('haproxy'), await findFreePort()]
  const folder = t.testdir({})
  const [file, both] = [join(folder, 'haproxy.cfg'), join(folder, 'both.pem')]
  await writeFile(both, await readFile(certFile, 'utf8') + await readFile(keyFile, 'utf8'))
  await writeFile(file, replaceAllOf(readGuideFile('haproxy.cfg'), {
    'bind :443': `bind 127.0.0.1:${port}`,
    '/etc/haproxy/tls/gateway.pem': both,
    // More than this machine may have open.
    'maxconn 20000': 'maxconn 2000',
    'gate-1 127.0.0.1:9001': `gate-1 127.0.0.1:${gatewayPort}`,
    ...change
  }))
  const logs = await startProxy(t, program, ['-db', '-f', file], port)
  return { port, base: `wss://127.0.0.1:${port}`, certFile, logs }
}

t.test('behind the guide\'s HAProxy', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...ASKED_SETTINGS, TRUSTED_PROXIES: '127.0.0.1/32', WS_USER_CONNECTIONS: '100' })
  const haproxy = await startHaproxy(t, gateway.port)
  const { base, certFile } = haproxy
  const through: NextClient = (more = {}) => ({ base, certFile, from: freshAddress(), ...more })

  await t.test('the commands of the guide print what it shows', async (t) => {
    await runGuide(t, 'haproxy.md', { replace: { 'https://gateway.example.com': `https://127.0.0.1:${haproxy.port}` }, env: { CURL_CA_BUNDLE: certFile } })
  })

  await t.test('the address is the client\'s, whatever the client claims', async (t) => {
    const from = freshAddress()
    const headers = { authorization: `Bearer ${issuer.sign({ sub: 'liar' })}`, 'x-forwarded-for': '198.51.100.1' }
    t.equal(await outcomeThrough(t, '/ws', through({ from, headers })), 'open')
    t.equal((await gateway.waitForLog('connection.accepted', line => line['user_id'] === 'liar'))['ip'], from)
  })

  await t.test('the longest token passes in each of its places', async (t) => {
    const token = signToLength(claims => issuer.sign(claims), { sub: 'wordy' }, 8189)
    t.same(await outcomesOfToken(t, token, through), ['open', 'open', 'open'])
  })

  await t.test('the page\'s own host is a good origin, another is not; nothing but the WebSocket paths is served', async (t) => {
    t.same(await outcomesOfOrigins(t, issuer.sign(), through), ['open', '403'])
    for (const path of ['/', '/v1/publish', '/metrics', '/ws/other']) t.match(await openThrough(t, path, through()), { status: 404, body: /not_found/ }, path)
  })

  await t.test('tickets, logouts and signals pass, a proof names the address that its client sees; publish and recheck stay inside', async (t) => {
    t.same(await outcomesOfRequests(t, issuer, through), OUTCOMES)
  })

  await t.test('no token is in the log, which tells the path and the outcome', async (t) => {
    const token = issuer.sign({ sub: 'logged' })
    t.equal(await outcomeThrough(t, `/ws?token=${token}&agent_ids=,`, through({ headers: { referer: `https://app.example/?token=${token}` } })), '400')
    const lines = (): Array<Record<string, unknown>> => haproxy.logs().split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Record<string, unknown>)
    await until('the line is written', () => lines().some(line => line['path'] === '/ws' && line['status'] === 400))
    t.notMatch(haproxy.logs(), /eyJ/)
  })

  await t.test('a drain\'s close code reaches the client, and with no gateway there is 503', async (t) => {
    const opened = await openThrough(t, '/ws', through({ headers: { authorization: `Bearer ${issuer.sign({ sub: 'drained' })}` } }))
    if (!(opened instanceof WebSocket)) throw new Error(`refused: ${opened.status}`)
    const code = new Promise(resolve => { opened.once('close', resolve) })
    gateway.signal('SIGTERM')
    t.equal(await code, 1012)
    await gateway.exited
    t.equal(await outcomeThrough(t, `/ws?token=${issuer.sign({ sub: 'unlucky' })}`, through()), '503')
    t.notMatch(haproxy.logs(), /eyJ/)
  })
})

t.test('a rolling restart of two gateways behind the guide\'s HAProxy', async (t) => {
  await rollThrough(t, async ([first = 0, second = 0]) => await startHaproxy(t, first, {
    [`  server gate-1 127.0.0.1:${first}`]: `  server gate-1 127.0.0.1:${first}\n  server gate-2 127.0.0.1:${second}`
  }))
})
