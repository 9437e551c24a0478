import t, { type Test } from 'tap'
import { createGateway, type Gateway } from '../../src/gateway/create-gateway.js'
import { connect, connectRefused } from '../support/client.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { openRaw, readResponse, upgradeHead } from '../support/raw-socket.js'
import { until } from '../support/until.js'

const PROXIED = { TRUSTED_PROXIES: '127.0.0.1/32' }

interface Running {
  readonly gateway: Gateway
  readonly issuer: TestIssuer
  readonly port: number
  url (path: string): string
  /** Begins to drain; resolves when it has. */
  drain (): Promise<{ readonly stopped: Promise<void> }>
}

/** A gateway whose drain takes ten minutes unless it is hurried, and which introspects each token. */
async function start (t: Test, more: Record<string, string> = {}): Promise<Running> {
  const issuer = await startIssuer(t, { preset: 'keycloak' })
  const settings = {
    KEYCLOAK_URL: issuer.url,
    KEYCLOAK_REALM: 'demo',
    KEYCLOAK_CLIENT_ID: issuer.audience,
    KEYCLOAK_CLIENT_SECRET: 'secret',
    KEYCLOAK_INTROSPECT: 'true',
    JWKS_TIMEOUT_MS: '120000',
    WS_UPGRADE_DEADLINE_MS: '600000',
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
    WS_DRAIN_SECONDS: '600',
    ...more
  }
  const lines: string[] = []
  const gateway = createGateway({ settings, log: { write: (line) => { lines.push(line) } } })
  const { port } = await gateway.start()
  t.teardown(async () => { await gateway.stop('the test is over') })
  await until('its keys are there', () => gateway.operations.readiness().ready)
  return {
    gateway,
    issuer,
    port,
    url: path => `ws://127.0.0.1:${port}${path}`,
    async drain () {
      const stopped = gateway.stop('test')
      await until('it drains', () => lines.some(line => line.includes('server.draining')))
      return { stopped }
    }
  }
}

/** An issuer that answers introspections when told to. */
function holdIntrospection (issuer: TestIssuer): { release: () => void } {
  let release = (): void => {}
  issuer.behave('introspection', { after: new Promise<void>((resolve) => { release = resolve }) })
  return { release: () => { release() } }
}

for (const [where, settings] of [['behind a proxy', PROXIED], ['without a proxy', {}]] as const) {
  t.test(`${where} an upgrade whose token is being checked as the drain begins comes in, and is told like the others`, async (t) => {
    const running = await start(t, settings)
    const { gateway, issuer } = running
    const { release } = holdIntrospection(issuer)
    const connecting = connect(t, running, `/ws?token=${issuer.sign()}`)
    await until('the issuer is asked', () => issuer.introspected.length === 1)
    const { stopped } = await running.drain()
    release()
    const client = await connecting
    t.equal((await client.next()).type, 'welcome')
    await gateway.stop('hurry')
    await stopped
    t.match(await client.next(), { type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: Number })
    t.equal((await client.closed).code, 1012)
  })

  t.test(`${where} an upgrade that is not decided when the drain ends is refused`, async (t) => {
    const running = await start(t, settings)
    const { gateway, issuer } = running
    const { release } = holdIntrospection(issuer)
    const refusing = connectRefused(t, running, `/ws?token=${issuer.sign()}`)
    await until('the issuer is asked', () => issuer.introspected.length === 1)
    await running.drain()
    await gateway.stop('hurry')
    t.match(await refusing, { status: 503, body: { error: 'restarting' }, headers: { 'retry-after': /^[1-9]\d*$/ } })
    release()
  })
}

t.test('behind a proxy who was connected before the door was closed comes in during the drain, within the limits, and is told', async (t) => {
  const running = await start(t, { ...PROXIED, WS_MAX_CONNECTIONS: '3' })
  const { gateway, issuer, port } = running
  const first = await connect(t, running, `/ws?token=${issuer.sign()}`)
  const head = upgradeHead(`/ws?token=${issuer.sign({ sub: 'bob' })}`)
  const [silent, halfway, overmuch] = await Promise.all(Array.from({ length: 3 }, async () => await openRaw(t, port)))
  if (silent === undefined || halfway === undefined || overmuch === undefined) throw new Error('no connection')
  halfway.write(head.slice(0, 20))
  // Connections are accepted in their order: this one's answer says that the others were.
  const witness = await openRaw(t, port)
  witness.write('GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.equal((await readResponse(witness))?.status, 404)
  const { stopped } = await running.drain()
  await t.rejects(openRaw(t, port), { code: 'ECONNREFUSED' })
  silent.write(head)
  halfway.write(head.slice(20))
  for (const { received } of [silent, halfway]) await until('it is welcome', () => received().includes('"type":"welcome"'))
  overmuch.write(head)
  t.match(await readResponse(overmuch), { status: 503, body: /"overloaded"/ })
  await gateway.stop('hurry')
  await stopped
  for (const { received, closed } of [silent, halfway]) {
    await closed
    t.match(received(), /^HTTP\/1\.1 101 .*"type":"closing","code":1012,"error":"restarting","reconnect_after_ms":/s)
  }
  t.equal((await first.closed).code, 1012)
})

t.test('behind a proxy it stays for the heads that are on their way, although nobody is there', async (t) => {
  const { gateway } = await start(t, PROXIED)
  const began = performance.now()
  await gateway.stop('test')
  t.ok(performance.now() - began >= 500)
})
