import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { makeCertificate } from '../support/certificate.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { runCheck } from './run-cli.js'

const issuer = await startIssuer(t)

/** The port of a program that is no gateway. */
async function take (t: Test): Promise<string> {
  const server = createServer((socket) => { socket.on('error', () => {}).end('220 mail\r\n') }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return String((server.address() as AddressInfo).port)
}

/** What check says of the ports, and its exit code. */
async function portsOf (env: Readonly<Record<string, string>>): Promise<readonly [number | null, ...string[]]> {
  const { code, checks } = await runCheck({ ...trust(issuer), HOST: '127.0.0.1', ...env })
  return [code, ...checks.filter(({ part }) => part === 'ports').map(({ verdict, reason }) => `${verdict} ${reason}`)]
}

t.test('ports that are free are said to be, and are free afterwards', async (t) => {
  const [PORT, ADMIN_PORT] = [String(await findFreePort()), String(await findFreePort())]
  for (let time = 0; time < 2; time++) {
    t.same(await portsOf({ PORT, ADMIN_PORT }), [0, `ok PORT: ${PORT} is free on 127.0.0.1`, `ok ADMIN_PORT: ${ADMIN_PORT} is free on 127.0.0.1`])
  }
})

t.test('a port that another program has is named by its setting', async (t) => {
  const [PORT, ADMIN_PORT] = [await take(t), await take(t)]
  t.same(await portsOf({ PORT, ADMIN_PORT }), [
    1,
    `fail PORT: ${PORT} is in use on 127.0.0.1 (EADDRINUSE): another program listens there`,
    `fail ADMIN_PORT: ${ADMIN_PORT} is in use on 127.0.0.1 (EADDRINUSE): another program listens there`
  ])
})

t.test('beside a gateway that serves it is no failure, with TLS too', async (t) => {
  const { certFile, keyFile } = await makeCertificate(t)
  for (const more of [{}, { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile }]) {
    const ports = { PORT: String(await findFreePort()), ADMIN_PORT: String(await findFreePort()) }
    await startGateway(t, { ...trust(issuer), ...ports, ...more, HOST: '127.0.0.1' })
    const [code, ...said] = await portsOf({ ...ports, ...more })
    t.equal(code, 0)
    t.same(said, ['PORT', 'ADMIN_PORT'].map(setting => `warn ${setting}: ${ports[setting as keyof typeof ports]} is in use on 127.0.0.1 (EADDRINUSE): a gateway serves there; another one can start only after it`))
  }
})

t.test('a gateway is known by each address that its port takes from others', async (t) => {
  const ports = { PORT: String(await findFreePort()), ADMIN_PORT: String(await findFreePort()) }
  await startGateway(t, { ...trust(issuer), ...ports, HOST: '127.0.0.1' })
  const wrong: unknown[] = []
  for (const HOST of ['127.0.0.1', '0.0.0.0', '::', 'localhost']) {
    const said = await portsOf({ ...ports, HOST, ADMIN_HOST: HOST })
    if (said[0] !== 0 || said.slice(1).some(line => !String(line).endsWith('a gateway serves there; another one can start only after it'))) wrong.push(said)
  }
  t.same(wrong, [])
})

t.test('ports that were swapped are said to be', async (t) => {
  const [PORT, ADMIN_PORT] = [String(await findFreePort()), String(await findFreePort())]
  await startGateway(t, { ...trust(issuer), PORT, ADMIN_PORT, HOST: '127.0.0.1' })
  const { certFile, keyFile } = await makeCertificate(t)
  const wanted = [
    1,
    `fail PORT: ${ADMIN_PORT} is in use on 127.0.0.1 (EADDRINUSE): a gateway serves there as its ADMIN_PORT; were PORT and ADMIN_PORT swapped?`,
    `fail ADMIN_PORT: ${PORT} is in use on 127.0.0.1 (EADDRINUSE): a gateway serves there as its PORT; were ADMIN_PORT and PORT swapped?`
  ]
  t.same(await portsOf({ PORT: ADMIN_PORT, ADMIN_PORT: PORT }), wanted)
  t.same((await portsOf({ PORT: ADMIN_PORT, ADMIN_PORT: '0', TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile })).slice(0, 2), wanted.slice(0, 2))
})

t.test('a free port is found on an address of this host, or it is named', async (t) => {
  t.same(await portsOf({ PORT: '0', ADMIN_PORT: '0' }), [0])
  t.same(await portsOf({ PORT: '0', ADMIN_PORT: '0', HOST: '192.0.2.1' }), [1, 'fail HOST: 192.0.2.1 is no address of this host (EADDRNOTAVAIL)'])
})

t.test('an address that is not ours is named by the setting of the host', async (t) => {
  const PORT = String(await findFreePort())
  t.same(await portsOf({ PORT, HOST: '192.0.2.1' }), [1, 'fail HOST: 192.0.2.1 is no address of this host (EADDRNOTAVAIL)'])
  t.match(await portsOf({ ADMIN_PORT: PORT, ADMIN_HOST: 'no-such-host.invalid' }), [1, /^fail ADMIN_HOST: no-such-host\.invalid is no address of this host \((ENOTFOUND|EAI_AGAIN)\)$/])
})
