import t from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { freshMetrics } from '../support/metrics.js'

const PUBLISH_KEY = 'a-publish-key-of-more-than-32-bytes'
const EVENTS = 150
const BLOB = 'x'.repeat(256 * 1024)

async function publish (gateway: TestGateway, n: number): Promise<number> {
  const body = JSON.stringify({ topic: 'agent:a1', event: 'blob', data: { n, blob: BLOB } })
  return (await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, { method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body })).status
}

async function residentBytes (gateway: TestGateway): Promise<number> {
  const text = await freshMetrics(gateway.admin)
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1])
}

const numbers = (client: TestClient): number[] => client.waiting.filter(frame => frame.type === 'event').map(frame => (frame['data'] as { n: number }).n)

for (const [way, query] of [['by the shared way', ''], ['with narrowed event types', '&event_types=blob']] as const) {
  t.test(`a client that does not read is ended and nobody else notices, ${way}`, async (t) => {
    const issuer = await startIssuer(t)
    const gateway = await startGateway(t, { ...trust(issuer), PUBLISH_KEY, WS_MAX_BUFFERED_BYTES: '2000000' })
    const join = async (sub: string): Promise<TestClient> => {
      const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub, agents: ['a1'] })}&agent_ids=a1${query}`, { from: freshAddress() })
      await client.nextOf('subscribed')
      return client
    }
    const [slow, fast] = [await join('slow'), await join('fast')]
    t.equal(await publish(gateway, 0), 202)
    await fast.nextOf('event')
    const before = await residentBytes(gateway)
    slow.socket.pause()
    for (let n = 1; n <= EVENTS; n++) {
      t.equal(await publish(gateway, n), 202)
      const frame = await fast.next()
      if ((frame['data'] as { n: number }).n !== n) throw new Error(`event ${n} is missing`)
    }
    const closed = await gateway.waitForLog('connection.closed')
    t.equal(closed['user_id'], 'slow')
    t.equal(closed['reason'], 'slow_consumer')
    t.match([4508, 1006].includes(Number(closed['code'])), true)
    const grown = await residentBytes(gateway) - before
    t.ok(grown < 128 * 1024 * 1024, `grown by ${Math.round(grown / 1_048_576)} MiB`)
    slow.socket.resume()
    const seen = await slow.closed
    t.match([4508, 1006].includes(seen.code), true, `client saw ${seen.code}`)
    const got = numbers(slow)
    t.same(got, Array.from(got, (_, i) => i), 'no gap in what it got before the end')
    t.equal(fast.socket.readyState, fast.socket.OPEN)
  })
}
