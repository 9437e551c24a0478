import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type LogLine, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { exchange, openRaw, upgradeHead } from '../support/raw-socket.js'

type T = Test

const ADMIN_TOKEN = 'an-admin-token-of-more-than-32-bytes'
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

async function open (t: T, gateway: TestGateway, token: string, from = freshAddress()): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${token}`, { from })
  await client.next()
  return client
}

t.test('the lines of a connection', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const common = { time: ISO, node: String }
  const [from, limited] = [freshAddress(), freshAddress()]

  await t.test('accepted and closed', async (t) => {
    const client = await open(t, gateway, issuer.sign({ sub: 'alice' }), from)
    client.send({ type: 'ping' })
    await client.next()
    client.socket.close(1000)
    const closed = await gateway.waitForLog('connection.closed')
    const accepted = await gateway.waitForLog('connection.accepted')
    const shared = { ...common, level: 'info', connection_id: accepted['connection_id'], user_id: 'alice', ip: from, issuer: 'oidc', path: '/ws', duration_ms: Number }
    t.match(accepted, shared)
    t.match(accepted['connection_id'], /^[\w-]{4,}$/)
    t.match(closed, { ...shared, reason: 'normal', code: 1000, messages_in: 1, messages_out: 2 })
    t.equal(accepted['node'], closed['node'])
  })

  await t.test('refused, with the status', async (t) => {
    await connectRefused(t, gateway, '/ws/agents?token=noise', { from })
    const line = await gateway.waitForLog('connection.refused')
    t.match(line, { ...common, level: 'warn', ip: from, path: '/ws/agents', reason: 'invalid_token', status: 401, duration_ms: Number })
    t.equal(line['user_id'], undefined)
  })

  await t.test('limited, by address and by messages', async (t) => {
    for (let i = 0; i < 10; i++) (await open(t, gateway, issuer.sign({ sub: `user-${i}` }), limited)).socket.close()
    await connectRefused(t, gateway, '/ws', { from: limited })
    t.match(await gateway.waitForLog('connection.refused', line => line['ip'] === limited), { ...common, reason: 'ip_rate_limited', status: 429 })
    const client = await open(t, gateway, issuer.sign({ sub: 'chatty' }))
    for (let i = 0; i < 101; i++) client.send({ type: 'ping' })
    t.match(await gateway.waitForLog('message.limited'), { ...common, level: 'warn', user_id: 'chatty', connection_id: String, reason: 'too_many_requests' })
    t.match(await gateway.waitForLog('connection.closed', line => line['user_id'] === 'chatty'), { reason: 'too_many_requests', code: 4429, messages_in: 101 })
  })
})

t.test('every accepted connection has exactly one closed line, however it ends', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ADMIN_TOKEN, WS_MAX_BUFFERED_BYTES: '65536' })
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` }
  const ways: Readonly<Record<string, (client: TestClient) => unknown>> = {
    goodbye: client => { client.socket.close(1000) },
    away: client => { client.socket.close(1001, 'bye') },
    'code-of-its-own': client => { client.socket.close(4999, 'x'.repeat(123)) },
    'no-code': client => { client.socket.close() },
    reset: client => { client.socket.terminate() },
    'too-large': client => { client.send(' '.repeat(1_048_577)) },
    'far-too-large': client => { client.send(' '.repeat(2_097_152)) },
    malformed: client => { for (let i = 0; i < 5; i++) client.send('noise') },
    'wrong-refresh': client => { client.send({ type: 'refresh', token: 'noise' }) },
    'other-user': client => { client.send({ type: 'refresh', token: issuer.sign({ sub: 'mallory' }) }) },
    'too-many': client => { for (let i = 0; i < 150; i++) client.send({ type: 'ping' }) },
    'no-utf-8': client => { client.socket.send(Buffer.from([0xff]), { binary: false }) },
    disconnected: async () => { await gateway.admin('/v1/users/disconnected/connections', { method: 'DELETE', headers }) },
    revoked: async () => { await gateway.admin('/v1/revocations', { method: 'POST', headers, body: '{"sub":"revoked"}' }) },
    'frames-and-reset': (client) => { for (let i = 0; i < 50; i++) client.send({ type: 'ping' }); client.socket.terminate() }
  }
  for (const [sub, end] of Object.entries(ways)) {
    const client = await open(t, gateway, issuer.sign({ sub }))
    await end(client)
    await client.closed
    await gateway.waitForLog('connection.closed', line => line['user_id'] === sub)
  }
  await Promise.all(['stays-1', 'stays-2'].map(async (sub) => { await open(t, gateway, issuer.sign({ sub })) }))
  gateway.signal('SIGTERM')
  t.equal(await gateway.exited, 0)
  const ids = (event: string): unknown[] => gateway.log.filter(line => line.event === event).map(line => line['connection_id']).sort()
  t.equal(ids('connection.accepted').length, Object.keys(ways).length + 2)
  t.same(ids('connection.closed'), ids('connection.accepted'))
  t.equal(new Set(ids('connection.closed')).size, ids('connection.closed').length)
  t.same(gateway.log.filter(line => line.event === 'fault'), [])
})

/** Pieces of a secret that stand anywhere in a text. */
function piecesIn (text: string, secret: string, length = 14): string[] {
  const found: string[] = []
  for (let i = 0; i + length <= secret.length; i += length / 2) {
    const piece = secret.slice(i, i + length)
    if (text.includes(piece)) found.push(piece)
  }
  return found
}

const percentEncoded = (text: string): string => Buffer.from(text).toString('hex').replace(/../g, '%$&')

/** Presents a token everywhere a client can, right and wrong; returns what was answered. */
async function presentEverywhere (t: T, gateway: TestGateway, issuer: TestIssuer, token: string): Promise<string> {
  const heads = [
    upgradeHead(`/ws?token=${token}`), upgradeHead(`/ws?token=${token}x`), upgradeHead(`/ws?token=${percentEncoded(token)}x`), upgradeHead(`/ws?token=%${token}`),
    upgradeHead(`/ws?agent_ids=${token}`), upgradeHead(`/ws?refuse=${token}`), upgradeHead(`/ws?${token}`), upgradeHead(`/ws/${token}`), upgradeHead(`/${percentEncoded(token)}`),
    upgradeHead(`/ws?token=${token}&token=other`), upgradeHead('/ws', { Authorization: `Bearer ${token}, Bearer other` }), upgradeHead('/ws', { Authorization: `Basic ${token}` }),
    upgradeHead('/ws', { 'Sec-WebSocket-Protocol': `bearer.${token}` }), upgradeHead('/ws', { 'Sec-WebSocket-Protocol': token }),
    upgradeHead(`/ws?token=${token}`, { Origin: `https://${token}.example` }), upgradeHead('/ws', { Host: token }), upgradeHead('/ws', { 'X-Forwarded-For': token }),
    upgradeHead(`/ws?token=${token}`, { 'Sec-WebSocket-Key': 'short' }), `GET /ws?token=${token} HTTP/1.1\r\nHost: x\r\n\r\n`, upgradeHead(`/ws?token=${token}`, { Cookie: token })
  ]
  let answered = ''
  for (const head of heads) {
    const response = await exchange(t, gateway, head, freshAddress())
    answered += JSON.stringify([...response?.headers ?? []]) + String(response?.status === 101 ? '' : response?.body)
  }
  const client = await open(t, gateway, issuer.sign({ sub: 'speaker' }))
  client.send(`{"type":"refresh","id":1,"token":"${token}"}`)
  client.send({ type: token })
  client.send({ type: 'refresh', token: `${token}x` })
  const closed = await client.closed
  return answered + closed.reason + JSON.stringify(client.waiting)
}

t.test('no part of a token is written or answered anywhere', async (t) => {
  const issuer = await startIssuer(t)
  const file = join(t.testdir({}), 'portcullis.log')
  const gateway = await startGateway(t, { ...trust(issuer), LOG_FILE: file, LOG_LEVEL: 'trace' })
  const past = Math.floor(Date.now() / 1000) - 3600
  const tokens = [issuer.sign({ sub: 'teller' }), issuer.sign({ sub: 'late', iat: past - 60, exp: past }), issuer.sign({ sub: 'stranger', aud: 'other' })]
  let answers = ''
  for (const token of tokens) answers += await presentEverywhere(t, gateway, issuer, token)
  answers += await (await gateway.admin('/metrics')).text()
  gateway.signal('SIGTERM')
  await gateway.exited
  const written = gateway.stdout() + gateway.stderr() + await readFile(file, 'utf8')
  t.ok(gateway.log.length > 40, 'much was written')
  for (const token of tokens) {
    for (const form of [token, percentEncoded(token), Buffer.from(token).toString('hex')]) {
      t.same(piecesIn(written, form), [], 'in the log')
      t.same(piecesIn(answers, form), [], 'in an answer')
    }
  }
  t.notMatch(written, /eyJ|[?&](token|agent_ids|refuse)=/)
  t.equal(await readFile(file, 'utf8'), gateway.stdout(), 'LOG_FILE holds the very lines of standard output')
})

t.test('nothing that a client sends can break a line or reach a terminal', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const evil = '\r\n{"event":"connection.accepted","fake":true}\r\n\u001b[31m\u009b31m\u2028\u202e"\\'
  t.equal((await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: evil })}`, { from: freshAddress() })).status, 401)
  const reversed = 'eve\u202e\u2066\ufeff"\\'
  const client = await open(t, gateway, issuer.sign({ sub: reversed, agents: [evil] }))
  client.send({ type: 'subscribe', id: evil.slice(0, 64), agent_ids: ['x'] })
  t.equal((await client.next()).type, 'error')
  await connectRefused(t, gateway, `/ws?token=${encodeURIComponent(evil)}`, { from: freshAddress(), headers: { 'X-Forwarded-For': '\u001b[31m' } }).catch(() => null)
  for (const head of [upgradeHead('/ws\u001b[31m?x=\u001b[31m'), upgradeHead('/ws', { 'X-Forwarded-For': '\u009b31m' }), upgradeHead('/ws', { Origin: '\u001b[31m' })]) {
    const raw = await openRaw(t, gateway.port, freshAddress())
    raw.write(head)
    await gateway.admin('/healthz')
  }
  client.socket.close()
  gateway.signal('SIGTERM')
  await gateway.exited
  const text = gateway.stdout()
  const unsafe = [...text.replaceAll('\n', '')].filter(character => character < ' ' || /[\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/.test(character))
  t.same(unsafe, [])
  const lines = text.trimEnd().split('\n').map(line => JSON.parse(line) as LogLine)
  t.ok(lines.every(line => typeof line.event === 'string' && line['fake'] === undefined))
  t.equal(lines.find(line => line.event === 'connection.accepted')?.['user_id'], reversed, 'escaped, not lost')
})

t.test('the refusals of one address are sampled, and what was held back is counted', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_IP_CONNECTIONS: '1' })
  const from = freshAddress()
  const attempts = 120
  for (let i = 0; i < attempts; i++) await connectRefused(t, gateway, '/ws', { from })
  gateway.signal('SIGTERM')
  await gateway.exited
  const lines = gateway.log.filter(line => line.event === 'connection.refused')
  const heldBack = lines.reduce((sum, line) => sum + Number(line['suppressed'] ?? 0), 0)
  t.ok(lines.length < attempts, `${lines.length} lines`)
  t.equal(lines.length + heldBack, attempts)
})
