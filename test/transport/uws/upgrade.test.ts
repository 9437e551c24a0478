import { once } from 'node:events'
import { connect, type Socket as TcpSocket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import type { TemplatedApp } from 'uWebSockets.js'
import type { PendingUpgrade, SocketHandlers } from '../../../src/connection/transport.js'
import { loadBinding } from '../../../src/transport/uws/binding.js'
import { copyHead } from '../../../src/transport/uws/copy-head.js'
import { findUpgradeCork, type UpgradeCork } from '../../../src/transport/uws/upgrade-cork.js'
import type { UserData } from '../../../src/transport/uws/socket.js'
import { UwsUpgrade } from '../../../src/transport/uws/upgrade.js'
import { createUwsServer } from '../../../src/transport/uws/server.js'
import { makeCertificate, type TestCertificate } from '../../support/certificate.js'
import { openRaw, upgradeHead } from '../../support/raw-socket.js'
import { SMALL_SERVER } from './small-server.js'

const IDLE: SocketHandlers = { onMessage () {}, onPing () {}, onDrain () {}, onClose () {} }
const WELCOME = new TextEncoder().encode('{"type":"welcome"}')
const EMPTY_PING = Buffer.from([0x89, 0x80, 0, 0, 0, 0])
const EMPTY_PONG = Buffer.from([0x8A, 0])

interface Served { readonly port: number, readonly lost: () => number }

/** The native server, which hands every upgrade to `onUpgrade`. */
async function serve (t: Test, tls: TestCertificate | null, onUpgrade: (upgrade: PendingUpgrade) => void): Promise<Served> {
  let lost = 0
  const server = createUwsServer(loadBinding(), { ...SMALL_SERVER, tls })
  const port = await server.listen({
    paths: ['/ws'],
    routes: [],
    findClient: () => { throw new Error('there is no route') },
    keepsConnections: () => false,
    onUpgrade,
    onOther: () => ({ status: 404, headers: [], body: '' }),
    onLostUpgrade () { lost++ },
    onFault: (error) => { throw error }
  })
  t.teardown(() => { server.close() })
  return { port, lost: () => lost }
}

/** Sends an upgrade request; what comes first is read in one piece. */
async function upgrade (t: Test, port: number, tls: boolean, connection: string): Promise<{ socket: TcpSocket, first: Buffer }> {
  const socket = tls ? connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }) : connect(port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  socket.write(upgradeHead('/ws', { Connection: connection }))
  const [first] = await once(socket, 'data') as [Buffer]
  return { socket, first }
}

/** True when the socket answers; false when the server ends it instead. */
async function answers (socket: TcpSocket): Promise<boolean> {
  socket.write(EMPTY_PING)
  const pong = once(socket, 'data').then(([data]) => EMPTY_PONG.equals(data as Buffer))
  return await Promise.race([pong, once(socket, 'end').then(() => false)])
}

for (const kind of ['plain', 'TLS'] as const) {
  // The native layer keeps `Connection: close` in the bits that its `res.cork` reads where the request was, so a cork that
  // reads them closes this socket each time, and others by chance.
  t.test(`${kind}: what the request left in memory closes no socket that was upgraded later`, async (t) => {
    const certificate = kind === 'TLS' ? await makeCertificate(t) : null
    const { port, lost } = await serve(t, certificate, (upgrade) => {
      setImmediate(() => { upgrade.accept('', WELCOME, () => IDLE) })
    })
    for (const connection of ['close', 'Upgrade']) {
      const { socket, first } = await upgrade(t, port, kind === 'TLS', connection)
      t.match(first.toString('latin1'), /^HTTP\/1\.1 101 .*\{"type":"welcome"\}$/s, 'the first frame comes with the handshake')
      t.equal(await answers(socket), true, `Connection: ${connection}`)
    }
    t.equal(lost(), 0)
  })
}

t.test('a socket that closes while it is upgraded is handed over as open, then as closed, and is told', async (t) => {
  const { uws } = loadBinding()
  const app = uws.App()
  const told: string[] = []
  let closeNow = (): void => {}
  const closingCork: UpgradeCork = (res, upgrade) => { res.cork(() => { upgrade(); closeNow() }) }
  app.ws<UserData>('/ws', {
    upgrade (res, req, context) {
      const pending = new UwsUpgrade(res, context, closingCork, () => { told.push('lost') })
      res.onAborted(() => { pending.abort() })
      pending.head = copyHead(res, req, false)
      pending.inCallback = false
      setImmediate(() => {
        const accepted = pending.accept('', WELCOME, () => {
          told.push('open')
          return { ...IDLE, onClose (code) { told.push(`closed ${code}`) } }
        })
        told.push(`accepted: ${String(accepted)}`)
      })
    },
    open (ws) {
      ws.getUserData().s.opened(ws)
      closeNow = () => { ws.close() }
    },
    close (ws, code) { ws.getUserData().s.closed(code) }
  })
  let port = 0
  app.listen('127.0.0.1', 0, (socket) => {
    if (socket === false) return
    port = uws.us_socket_local_port(socket as unknown as Parameters<typeof uws.us_socket_local_port>[0])
    t.teardown(() => { uws.us_listen_socket_close(socket); app.close() })
  })
  const client = await openRaw(t, port)
  client.write(upgradeHead('/ws'))
  await client.closed
  t.same(told, ['lost', 'open', 'closed 1006', 'accepted: true'])
})

t.test('a trial whose connection ends without an upgrade is told as a start that cannot be, and does not wait for ever', async (t) => {
  const { uws } = loadBinding()
  const closing = {
    ...uws,
    App (): TemplatedApp {
      const app = uws.App()
      const ws = app.ws.bind(app)
      app.ws = (path, behavior) => ws(path, { ...behavior, upgrade (res) { res.close() } })
      return app
    }
  }
  await t.rejects(findUpgradeCork(closing, { tls: null }), { message: /it closed|ECONNRESET/ })
})
