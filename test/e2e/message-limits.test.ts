import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { freshMetrics } from '../support/metrics.js'

type T = Test

let users = 0

async function open (t: T, gateway: TestGateway, token: string, from: string): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${token}`, { from })
  await client.next()
  return client
}

function sendPings (client: TestClient, count: number): void {
  for (let i = 0; i < count; i++) client.send({ type: 'ping', id: String(i) })
}

async function expectPongs (t: T, client: TestClient, count: number): Promise<void> {
  const ids: unknown[] = []
  while (ids.length < count) {
    const frame = await client.next()
    if (frame.type !== 'pong') throw new Error(`after ${ids.length} pongs: ${JSON.stringify(frame)}`)
    ids.push(frame['id'])
  }
  t.same(ids, Array.from({ length: count }, (_, i) => String(i)), 'each answered, in order')
}

async function expectLimited (t: T, client: TestClient): Promise<void> {
  const frame = await client.next()
  const retryAfterMs = Number(frame['retry_after_ms'])
  t.equal(JSON.stringify(frame), `{"type":"error","error":"Too Many Requests","code":429,"retry_after_ms":${retryAfterMs}}`)
  t.ok(Number.isInteger(retryAfterMs) && retryAfterMs > 0 && retryAfterMs <= 60_000, `${retryAfterMs} ms`)
  const closed = await client.closed
  t.equal(closed.code, 4429)
  t.match(JSON.parse(closed.reason), { error: 'too_many_requests', retry_after_ms: Number })
}

for (const store of ['in memory', 'in Redis']) {
  t.test(`message limits, ${store}`, async (t) => {
    const issuer = await startIssuer(t)
    const redis = store === 'in Redis' ? await startRedis(t) : null
    const settings = { ...trust(issuer), ...(redis === null ? {} : { REDIS_URL: redis.url }), WS_IP_ALLOW_LIST: '127.88.0.0/16' }
    const [one, two] = await Promise.all([startGateway(t, settings), redis === null ? null : startGateway(t, settings)])
    const token = (): string => issuer.sign({ sub: `user-${++users}` })

    await t.test('100 messages are answered, the 101st gets the literal frame and 4429', async (t) => {
      const client = await open(t, one, token(), freshAddress())
      sendPings(client, 101)
      await expectPongs(t, client, 100)
      await expectLimited(t, client)
      await one.waitForLog('message.limited', line => line['reason'] === 'too_many_requests')
    })

    await t.test('malformed messages count as well', async (t) => {
      const client = await open(t, one, token(), freshAddress())
      sendPings(client, 98)
      for (const bad of ['noise', '[]']) client.send(bad)
      sendPings(client, 1)
      await expectPongs(t, client, 98)
      for (let i = 0; i < 2; i++) t.equal((await client.next())['error'], 'bad_message')
      await expectLimited(t, client)
    })

    await t.test('the sockets of one address share its window, on every process', async (t) => {
      const from = freshAddress()
      const first = await open(t, one, token(), from)
      const second = await open(t, two ?? one, token(), from)
      sendPings(first, 60)
      await expectPongs(t, first, 60)
      sendPings(second, 41)
      await expectPongs(t, second, 40)
      await expectLimited(t, second)
      const other = await open(t, one, token(), freshAddress())
      sendPings(other, 1)
      await expectPongs(t, other, 1)
      first.send({ type: 'ping' })
      await expectLimited(t, first)
    })

    if (two !== null) {
      await t.test('what one process was lent ahead and has not spent, the other gets when it needs it', async (t) => {
        const from = freshAddress()
        const clients = [await open(t, one, token(), from), await open(t, two, token(), from)] as const
        for (const client of clients) {
          sendPings(client, 2)
          await expectPongs(t, client, 2)
        }
        t.equal(await redis?.client.zcard(`ws:ratelimit:msg:${from}`), 10, 'five of each are lent or spent')
        sendPings(clients[1], 97)
        await expectPongs(t, clients[1], 96)
        await expectLimited(t, clients[1])
        clients[0].send({ type: 'ping' })
        await expectLimited(t, clients[0])
      })
    }

    await t.test('WebSocket pings are no messages, but have a cap of their own', async (t) => {
      const client = await open(t, one, token(), freshAddress())
      // More than the message limit, and all that the cap of their own allows.
      for (let i = 0; i < 120; i++) client.socket.ping()
      sendPings(client, 1)
      await expectPongs(t, client, 1)
      client.socket.ping()
      await expectLimited(t, client)
    })

    await t.test('an address on the allow list may send as much as it likes', async (t) => {
      const client = await open(t, one, token(), '127.88.0.1')
      sendPings(client, 300)
      await expectPongs(t, client, 300)
    })

    await t.test('the decisions are counted', async (t) => {
      const text = await freshMetrics(one.admin)
      t.match(text, /portcullis_limit_decisions_total\{limit="message",decision="refused"\} [4-9]/)
    })
  })
}

t.test('in a short window, messages are taken again as the oldest leave', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_IP_MESSAGES: '5', WS_MESSAGE_WINDOW_S: '1' })
  const from = freshAddress()
  const client = await open(t, gateway, issuer.sign(), from)
  const startedMs = performance.now()
  sendPings(client, 6)
  await expectPongs(t, client, 5)
  const { retry_after_ms: retryAfterMs } = await client.next() as unknown as { retry_after_ms: number }
  t.ok(retryAfterMs <= 1000)
  const again = await open(t, gateway, issuer.sign(), from)
  while (performance.now() - startedMs < 2000) await gateway.admin('/healthz')
  sendPings(again, 5)
  await expectPongs(t, again, 5)
})

t.test('dry-run decides, writes down and counts, but lets through', async (t) => {
  const issuer = await startIssuer(t)
  const redis = await startRedis(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_LIMITS_MODE: 'dry-run', WS_IP_MESSAGES: '10' })
  const from = freshAddress()
  const token = issuer.sign({ sub: 'dry' })
  const clients: TestClient[] = []
  for (let i = 0; i < 12; i++) clients.push(await open(t, gateway, token, from))
  const [client] = clients
  if (client === undefined) throw new Error('no client')
  sendPings(client, 20)
  await expectPongs(t, client, 20)
  t.equal(client.socket.readyState, client.socket.OPEN)

  const text = await freshMetrics(gateway.admin)
  t.match(text, /portcullis_limit_decisions_total\{limit="ip",decision="would_refuse"\} 2/)
  t.match(text, /portcullis_limit_decisions_total\{limit="user",decision="would_refuse"\} 5/)
  t.match(text, /portcullis_limit_decisions_total\{limit="message",decision="would_refuse"\} [1-9]/)
  const dry = (event: string): unknown[] => gateway.log.filter(line => line.event === event && line['dry_run'] === true).map(line => line['reason'])
  t.same(dry('connection.refused').sort(), [...Array<string>(2).fill('ip_rate_limited'), ...Array<string>(5).fill('user_connection_limit')])
  t.ok(dry('message.limited').length > 0)
  t.same((await redis.client.keys('*ws:ratelimit:*')).filter(key => !key.startsWith('dry-run:')), [], 'keys of its own')
  t.equal((await connectRefused(t, gateway, '/ws?token=noise', { from: freshAddress() })).status, 401, 'tokens are still checked')
})
