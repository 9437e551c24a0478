import t, { type Test } from 'tap'
import { startRedis } from '../support/redis.js'
import type { Frame } from '../support/client.js'
import { answerOf, comeBack, PUBLISH_KEY, range, setUp, type Bench, type HistoryClient } from './bench.js'

const EVENTS = 10_000
/** So large that all of them together fit no buffer between the gateway and a client. */
const FILLING = 'x'.repeat(1200)
const SETTINGS = { WS_HISTORY_EVENTS: String(EVENTS), WS_HISTORY_BYTES: '268435456', WS_MAX_BUFFERED_BYTES: '65536' }

interface Stage extends Bench {
  /** Where the topic stood before them. */
  readonly start: string
  readonly fresh: () => Promise<HistoryClient>
}

/** Ten thousand events, even and odd ones, of the topic agent:a1. */
async function setStage (t: Test): Promise<Stage> {
  const redis = await startRedis(t)
  const bench = await setUp(t, redis.client, { REDIS_URL: redis.url, ...SETTINGS })
  const first = await bench.open('agent_ids=a1')
  const start = answerOf(first.subscribed, 'agent:a1').pos
  first.socket.terminate()
  for (let from = 1; from <= EVENTS; from += 500) {
    const body = range(from, from + 499).map(number => ({ topic: 'agent:a1', event: number % 2 === 0 ? 'even' : 'odd', data: `${number} ${FILLING}` }))
    const { status } = await fetch(`http://127.0.0.1:${bench.gateway.port}/v1/publish`, {
      method: 'POST', headers: { 'x-publish-key': PUBLISH_KEY }, body: JSON.stringify(body)
    })
    t.equal(status, 202)
  }
  return { ...bench, start, fresh: async () => await bench.open() }
}

const numberOf = ({ data }: Frame): number => Number(String(data).split(' ')[0])

/** Takes so many events; what else comes is no part of it. */
async function take (client: HistoryClient, count: number): Promise<number[]> {
  const numbers = []
  while (numbers.length < count) numbers.push(numberOf(await client.nextOf('event')))
  return numbers
}

t.test('a replay of ten thousand events', async (t) => {
  const stage = await setStage(t)
  const { open, publish, issuer, start, fresh } = stage
  const ask = { type: 'subscribe', id: 's', agent_ids: ['a1'], since: { 'agent:a1': start } }

  await t.test('who reads slowly is not cut off, and nobody waits for it', async (t) => {
    const slow = await fresh()
    slow.socket.pause()
    slow.send(ask)
    const quick = await comeBack(stage, 'agent:a1', start)
    t.same(await take(quick, EVENTS), range(1, EVENTS), 'one who reads has had all')
    const other = await open('agent_ids=a2')
    await publish('agent:a2', 1)
    t.same(await other.until(1), [1])
    slow.socket.resume()
    t.equal(answerOf(await slow.nextOf('subscribed'), 'agent:a1').recovered, true)
    t.same(await take(slow, EVENTS), range(1, EVENTS))
  })

  await t.test('nothing of it follows the end of the right, though most of it was still to come', async (t) => {
    const client = await fresh()
    client.socket.pause()
    client.send(ask)
    // Others have their turn until the gateway can give this one no more.
    await take(await comeBack(stage, 'agent:a1', start), EVENTS)
    client.send({ type: 'refresh', id: 'r', token: issuer.sign({ sub: 'alice', agents: ['a2'] }) })
    // The gateway has done it when one who asks later is answered.
    await take(await comeBack(stage, 'agent:a1', start), EVENTS)
    client.socket.resume()
    t.equal(answerOf(await client.nextOf('subscribed'), 'agent:a1').recovered, true)
    const before: number[] = []
    let frame = await client.next()
    for (; frame.type === 'event'; frame = await client.next()) before.push(numberOf(frame))
    t.same(before, range(1, before.length))
    t.ok(before.length < EVENTS / 2, `${before.length} had been on their way`)
    t.equal(frame.type, 'refreshed', JSON.stringify(frame))
    client.send({ type: 'ping', id: 'p' })
    const after = []
    for (let next = await client.next(); next.type !== 'pong'; next = await client.next()) after.push(next)
    t.same(after.filter(({ type }) => type === 'event'), [])
  })

  await t.test('who leaves it in the midst gets nothing more of it', async (t) => {
    const client = await fresh()
    client.send(ask)
    await take(client, 10)
    client.send({ type: 'unsubscribe', id: 'u', agent_ids: ['a1'] })
    await client.nextOf('unsubscribed')
    client.send({ type: 'ping', id: 'p' })
    t.equal((await client.next()).type, 'pong')
  })

  await t.test('event types narrow it', async (t) => {
    const client = await fresh()
    client.send({ ...ask, event_types: ['even'] })
    t.same(await take(client, 20), range(1, 20).map(n => 2 * n))
    const all = await open('event_types=odd')
    all.send(ask)
    t.same(await take(all, EVENTS / 2), range(1, EVENTS / 2).map(n => 2 * n - 1))
    t.same(await take(client, EVENTS / 2 - 20), range(21, EVENTS / 2).map(n => 2 * n))
  })
})
