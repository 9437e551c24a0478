import { once } from 'node:events'
import { chmodSync, closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { loadConfig } from '../../../src/config/load-config.js'
import { createSetBacklog, type BacklogCall, type SetBacklog } from '../../../src/transport/uws/backlog.js'
import { loadBinding } from '../../../src/transport/uws/binding.js'
import { createUwsServer, type Server, type ServerHandlers, type ServerSettings } from '../../../src/transport/uws/server.js'
import { toRehearsalConfig } from '../../../src/warm-up/rehearsal-config.js'
import { makeCertificate } from '../../support/certificate.js'
import { findFreePort } from '../../support/free-port.js'
import { startGateway, trust } from '../../support/gateway.js'
import { startIssuer } from '../../support/issuer.js'
import { openRaw, readResponse } from '../../support/raw-socket.js'
import { until } from '../../support/until.js'
import { SMALL_SERVER } from './small-server.js'

const SOMAXCONN = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
/** More than the native layer asks for, and fewer than the system allows. */
const BACKLOG = 1500
const COMERS = 1400
const ISSUER = { JWT_ISSUER: 'https://issuer.example', JWT_AUDIENCE: 'gateway' }

const HANDLERS: ServerHandlers = {
  paths: ['/ws'],
  routes: [],
  findClient: () => { throw new Error('there is no route') },
  keepsConnections: () => false,
  onUpgrade () {},
  onOther: () => ({ status: 404, headers: [], body: '' }),
  onLostUpgrade () {},
  onFault: (error) => { throw error }
}

interface Served {
  readonly server: Server
  readonly port: number
  readonly calls: readonly BacklogCall[]
  readonly failures: readonly string[]
}

type Spoil = (descriptor: number | null) => number | null

/** A server whose backlog is set for each socket that it listens with. */
async function serve (t: Test, tls: ServerSettings['tls'] = null, spoil: Spoil = descriptor => descriptor): Promise<Served> {
  const [calls, failures]: [BacklogCall[], string[]] = [[], []]
  const set = createSetBacklog(BACKLOG, (reason) => { failures.push(reason) })
  const setBacklog: SetBacklog = (descriptor, port) => {
    const call = set(spoil(descriptor), port)
    if (call !== null) calls.push(call)
    return call
  }
  const server = createUwsServer(loadBinding(), { ...SMALL_SERVER, port: await findFreePort(), tls, setBacklog })
  const port = await server.listen(HANDLERS)
  t.teardown(async () => {
    server.close()
    await Promise.all(calls.map(async ({ ended }) => { await ended }))
  })
  return { server, port, calls, failures }
}

const hasChildren = (pid: number): boolean => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8') !== ''

t.test(`${COMERS} clients find a place while the process is busy: none of them has to try again`, { skip: SOMAXCONN < BACKLOG && 'net.core.somaxconn is lower' }, async (t) => {
  const gateway = await startGateway(t, { ...trust(await startIssuer(t)), LISTEN_BACKLOG: String(BACKLOG) })
  await until('the backlog is set', () => !hasChildren(gateway.pid))
  // It accepts nobody until it goes on: what connects now has its place in the kernel.
  gateway.signal('SIGSTOP')
  const sockets = await Promise.all(Array.from({ length: COMERS }, async () => await openRaw(t, gateway.port)))
  t.equal(sockets.length, COMERS)
  gateway.signal('SIGCONT')
  const last = sockets[COMERS - 1] ?? t.fail('nobody has come') as never
  last.write('GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal((await readResponse(last))?.status, 404)
  t.same(gateway.log.filter(({ event }) => event === 'listen.backlog'), [])
})

t.test('what the native layer asks for by itself needs no call, nor does a rehearsal of the start', async (t) => {
  const read = (env: Record<string, string>) => loadConfig({ ...ISSUER, ...env }).server.listenBacklog
  t.same([read({}), read({ LISTEN_BACKLOG: '512' }), read({ LISTEN_BACKLOG: '513' })], [null, null, 513])
  const rehearsed = toRehearsalConfig(loadConfig({ ...ISSUER, LISTEN_BACKLOG: '513' }), { issuer: 'i', origin: 'https://o.example', redisPort: 1 })
  t.equal(rehearsed.server.listenBacklog, null)
})

/** Has every child of this test be another program, until its end. */
function replaceNode (t: Test, path: string): void {
  const before = process.execPath
  t.teardown(() => { process.execPath = before })
  process.execPath = path
}

t.test('the port is free again once a socket is closed whose backlog is being set, however long that would take', async (t) => {
  const folder = t.testdir({ endless: '#!/bin/sh\nexec sleep 1000\n' })
  chmodSync(join(folder, 'endless'), 0o755)
  replaceNode(t, join(folder, 'endless'))
  const { server, calls, failures } = await serve(t)
  server.pause()
  await calls[0]?.ended
  t.equal(server.resume(), true)
  t.same([calls.length, failures], [2, []])
})

t.test('certificates that are replaced one after the other, with no pause, leave the port open', async (t) => {
  const certificate = await makeCertificate(t)
  const { server, port, calls, failures } = await serve(t, certificate)
  await Promise.all([server.reloadTls(), server.reloadTls(), server.reloadTls()])
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  socket.destroy()
  await calls.at(-1)?.ended
  t.same([calls.length, failures], [4, []])
})

t.test('a descriptor that is something else changes nothing, and the reason is told', async (t) => {
  const file = openSync('/dev/null', 'r')
  t.teardown(() => { closeSync(file) })
  const { calls, failures, port } = await serve(t, null, () => file)
  await calls[0]?.ended
  t.same(failures, [`listen(2) was not called: this is not the listening socket of port ${port}: another thread took descriptor ${file} first`])
})

t.test('where no process can be made there is nothing to end, least of all by the number 0, and the reason is told', async (t) => {
  const failures: string[] = []
  replaceNode(t, '/nothing/here')
  t.equal(createSetBacklog(BACKLOG, (reason) => { failures.push(reason) })(0, 1), null)
  await until('it is told', () => failures.length > 0)
  t.same(failures, ['spawn /nothing/here ENOENT'])
})

t.test('a backlog that the system cuts is told, with its limit', { skip: SOMAXCONN >= 65_535 && 'the system cuts none' }, async (t) => {
  const failures: string[] = []
  createSetBacklog(65_535, (reason) => { failures.push(reason) })(null, 1)
  t.same(failures, [`net.core.somaxconn is ${SOMAXCONN}`, 'no descriptor is free'])
})

t.test('without a free descriptor there is no call, and the reason is told', async (t) => {
  const { calls, failures } = await serve(t, null, () => null)
  t.same([calls, failures], [[], ['no descriptor is free']])
})
