import { once } from 'node:events'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { makeCertificate, type TestCertificate } from '../support/certificate.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const PUBLISH_KEY = 'a-publish-key-of-more-than-32-bytes'

/** The serial number of the certificate that the next handshake gets. */
async function serialServed (gateway: TestGateway): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port: gateway.port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

/** A client on TLS that keeps what it is told. */
async function open (t: Test, gateway: TestGateway, ca: Buffer, token: string) {
  const socket = new WebSocket(`wss://127.0.0.1:${gateway.port}/ws?agent_ids=a1&token=${token}`, { ca })
  t.teardown(() => { socket.terminate() })
  const events: unknown[] = []
  let subscribed = false
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as { type: string, data?: unknown }
    if (frame.type === 'subscribed') subscribed = true
    if (frame.type === 'event') events.push(frame.data)
  })
  await until('it is subscribed', () => subscribed)
  return { socket, events }
}

async function replaceFiles (served: TestCertificate, by: TestCertificate): Promise<void> {
  await copyFile(by.certFile, served.certFile)
  await copyFile(by.keyFile, served.keyFile)
}

async function publish (gateway: TestGateway, data: unknown): Promise<void> {
  const answer = await gateway.admin('/v1/publish', {
    method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body: JSON.stringify({ topic: 'agent:a1', event: 'note', data })
  })
  if (answer.status !== 202) throw new Error(`publish: ${answer.status}`)
}

const linesOf = (gateway: TestGateway, event: string): number => gateway.log.filter(line => line.event === event).length

interface Pair {
  readonly gateway: TestGateway
  readonly issuer: TestIssuer
  /** The files that the gateway was told of. */
  readonly served: TestCertificate
  readonly next: TestCertificate
}

async function startPair (t: Test, more: Record<string, string> = {}): Promise<Pair> {
  const [issuer, served, next, port] = await Promise.all([startIssuer(t), makeCertificate(t), makeCertificate(t), findFreePort()])
  const gateway = await startGateway(t, {
    ...trust(issuer), PORT: String(port), PUBLISH_KEY, LISTEN_BACKLOG: '2048', TLS_CERT_FILE: served.certFile, TLS_KEY_FILE: served.keyFile, ...more
  }, { ready: more['WORKERS'] === undefined })
  return { gateway, issuer, served, next }
}

t.test('SIGHUP: new handshakes get the new certificate, and open sockets stay', async (t) => {
  const { gateway, issuer, served, next } = await startPair(t)
  const before = await open(t, gateway, await readFile(served.certFile), issuer.sign({ sub: 'before', agents: ['a1'] }))
  const oldSerial = await serialServed(gateway)
  await replaceFiles(served, next)
  gateway.signal('SIGHUP')
  await gateway.waitForLog('tls.reloaded')
  const newSerial = await serialServed(gateway)
  t.not(newSerial, oldSerial)
  const after = await open(t, gateway, await readFile(next.certFile), issuer.sign({ sub: 'after', agents: ['a1'] }))

  await t.test('events reach the sockets from before and from after', async (t) => {
    await publish(gateway, 'to both')
    await until('both have it', () => before.events.length === 1 && after.events.length === 1)
    t.same([before.events, after.events], [['to both'], ['to both']])
  })

  await t.test('files that cannot be used are refused with a line, and what was served goes on', async (t) => {
    const other = await makeCertificate(t)
    const bad = [
      async () => { await copyFile(other.certFile, served.certFile) },
      async () => { await writeFile(served.certFile, 'no certificate') },
      async () => { await writeFile(served.keyFile, '') }
    ]
    for (const [index, spoil] of bad.entries()) {
      await spoil()
      gateway.signal('SIGHUP')
      await until('it is refused', () => linesOf(gateway, 'tls.refused') === index + 1)
      t.equal(await serialServed(gateway), newSerial)
    }
    const reasons = gateway.log.filter(line => line.event === 'tls.refused').map(line => String(line['reason']))
    t.match(reasons, [/^TLS_KEY_FILE: the key is not that of/, /^TLS_CERT_FILE: the file holds no/, /TLS_KEY_FILE: the file holds no/])
  })

  await t.test('sockets of both certificates are drained alike, and the process ends well', async (t) => {
    const closed = [before, after].map(async ({ socket }) => (await once(socket, 'close'))[0] as number)
    gateway.signal('SIGTERM')
    t.same(await Promise.all(closed), [1012, 1012])
    t.equal(await gateway.exited, 0)
    t.equal(gateway.log.filter(line => line.event === 'connection.closed').length, 2)
    t.same(gateway.log.filter(line => line.event === 'fault'), [])
  })
})

t.test('every worker takes the new certificate when the supervisor is told', async (t) => {
  const redis = await startRedis(t)
  const { gateway, served, next } = await startPair(t, { WORKERS: '2', REDIS_URL: redis.url })
  await gateway.waitForLog('supervisor.started')
  const oldSerial = await serialServed(gateway)
  await replaceFiles(served, next)
  gateway.signal('SIGHUP')
  await until('both have it', () => linesOf(gateway, 'tls.reloaded') === 2)
  const serials = new Set<string>()
  for (let i = 0; i < 20; i++) serials.add(await serialServed(gateway))
  t.equal(serials.size, 1)
  t.notOk(serials.has(oldSerial))
})

t.test('without TLS, SIGHUP changes nothing but the log', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  gateway.signal('SIGHUP')
  await gateway.waitForLog('tls.absent')
  const socket = new WebSocket(gateway.url(`/ws?token=${issuer.sign()}`))
  t.teardown(() => { socket.terminate() })
  const [data] = await once(socket, 'message') as [Buffer]
  t.match(JSON.parse(String(data)), { type: 'welcome' })
})
