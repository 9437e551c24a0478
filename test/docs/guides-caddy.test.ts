import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import {
  findProxy, openThrough, outcomesOfOrigins, outcomesOfToken, outcomeThrough, signToLength, startProxy, type NextClient
} from './front-proxy.js'
import { readGuideFile, replaceAllOf, runGuide } from './guide-commands.js'
import { ASKED_SETTINGS, OUTCOMES, outcomesOfRequests } from './requests-through.js'
import { rollThrough } from './rolling-restart.js'

interface TestCaddy { readonly port: number, readonly base: string, logs (): Promise<string> }

/** The guide's configuration without TLS, whose certificates need a name that the world can reach; `change` changes more of it. */
async function startCaddy (t: Test, gatewayPort: number, change: Readonly<Record<string, string>> = {}): Promise<TestCaddy> {
  const [program, port] = [await findProxy('caddy'), await findFreePort()]
  const folder = t.testdir({})
  const file = join(folder, 'Caddyfile')
  await writeFile(file, replaceAllOf(readGuideFile('Caddyfile'), {
    '\n\t# Errors of requests': '\n\tadmin off\n\t# Errors of requests',
    '\ngateway.example.com {': `\nhttp://127.0.0.1:${port} {\n\tbind 127.0.0.1`,
    'reverse_proxy 127.0.0.1:9001': `reverse_proxy 127.0.0.1:${gatewayPort}`,
    '/var/log/caddy/': `${folder}/`,
    ...change
  }))
  const output = await startProxy(t, program, ['run', '--config', file, '--adapter', 'caddyfile'], port, { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder })
  return { port, base: `ws://127.0.0.1:${port}`, logs: async () => await readFile(join(folder, 'gateway.log'), 'utf8').catch(() => '') + output() }
}

t.test('behind the guide\'s Caddy', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...ASKED_SETTINGS, TRUSTED_PROXIES: '127.0.0.1/32', WS_USER_CONNECTIONS: '100' })
  const caddy = await startCaddy(t, gateway.port)
  const through: NextClient = (more = {}) => ({ base: caddy.base, from: freshAddress(), ...more })

  await t.test('the commands of the guide print what it shows', async (t) => {
    await runGuide(t, 'caddy.md', { replace: { 'https://gateway.example.com': `http://127.0.0.1:${caddy.port}` } })
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

  const present = async (t: Test, base: string, token: string): Promise<string[]> => await outcomesOfToken(t, token, (more = {}) =>
    through({ base, ...more, headers: { referer: `https://app.example/?token=${token}`, ...more.headers } }))
  const linesOf = (logs: string): number => logs.split('\n').filter(line => line.includes('"uri":"/ws"')).length

  await t.test('no token is in any log', async (t) => {
    const before = linesOf(await caddy.logs())
    t.same(await present(t, caddy.base, issuer.sign({ sub: 'logged' })), ['open', 'open', 'open'])
    await until('the lines are written', async () => linesOf(await caddy.logs()) >= before + 3)
    t.notMatch(await caddy.logs(), /eyJ/)
    const usual = await startCaddy(t, gateway.port, { '\t\timport no_tokens\n': '' })
    await present(t, usual.base, issuer.sign({ sub: 'logged' }))
    await until('Caddy\'s own default writes one', async () => /bearer\.eyJ/.test(await usual.logs()))
  })

  await t.test('a drain\'s close code reaches the client, and with no gateway there is 502 or 503, without the token in a log', async (t) => {
    const opened = await openThrough(t, '/ws', through({ headers: { authorization: `Bearer ${issuer.sign({ sub: 'drained' })}` } }))
    if (!(opened instanceof WebSocket)) throw new Error(`refused: ${opened.status}`)
    const code = new Promise(resolve => { opened.once('close', resolve) })
    gateway.signal('SIGTERM')
    t.equal(await code, 1012)
    await gateway.exited
    const token = issuer.sign({ sub: 'unlucky' })
    // 503 once Caddy has marked its upstream as down, which the drain itself may have brought about.
    t.match(await present(t, caddy.base, token), [/50[23]/, /50[23]/, /50[23]/])
    await until('the lines are written', async () => (await caddy.logs()).includes('http.log.error'))
    t.notMatch(await caddy.logs(), /eyJ/)
  })
})

t.test('a rolling restart of two gateways behind the guide\'s Caddy', async (t) => {
  await rollThrough(t, async ([first = 0, second = 0]) => await startCaddy(t, first, {
    [`reverse_proxy 127.0.0.1:${first}`]: `reverse_proxy 127.0.0.1:${first} 127.0.0.1:${second}`
  }))
})
