import type { Test } from 'tap'
import WebSocket from 'ws'
import { freshAddress } from '../support/client.js'
import { startGateway, trust, type Lifetime, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

export const RAISED = { WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '100000' }

export interface Listener {
  readonly topics: readonly string[]
  readonly got: Array<{ topic: string, n: number }>
  readonly subscribed: Promise<void>
}

/** One socket that writes down every event it gets. `subscribed` rejects when the socket closes before. */
export function listen (t: Lifetime, gateway: TestGateway, token: string, agents: readonly string[]): Listener {
  const socket = new WebSocket(gateway.url(`/ws?agent_ids=${agents.join(',')}&token=${token}`), { localAddress: freshAddress() })
  t.teardown(() => { socket.terminate() })
  const got: Array<{ topic: string, n: number }> = []
  const subscribed = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', (code) => { reject(new Error(`closed with ${code}`)) })
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as { type: string, topic: string, data: number }
      if (frame.type === 'event') got.push({ topic: frame.topic, n: frame.data })
      if (frame.type === 'subscribed') resolve()
    })
  })
  return { topics: agents.map(id => `agent:${id}`), got, subscribed }
}

export interface FanOut { readonly processes: number, readonly socketsEach: number, readonly topicsEach: number }

const AGENTS = 100
const EVENTS_PER_TOPIC = 5
const OPENED_AT_ONCE = 50

/** Has each socket follow some of 100 topics, publishes five events to each, and checks what every socket got. */
export async function playFanOut (t: Test, { processes, socketsEach, topicsEach }: FanOut): Promise<void> {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const env = { ...trust(issuer), ...RAISED, REDIS_URL: redis.url }
  const gateways = await Promise.all(Array.from({ length: processes }, async () => await startGateway(t, env)))
  const ids = Array.from({ length: AGENTS }, (_, n) => `a${n}`)
  const token = issuer.sign({ sub: 'reader', agents: ids })
  const listeners: Listener[] = []
  for (const gateway of gateways) {
    for (let n = 0; n < socketsEach; n++) {
      // Another choice for each socket.
      listeners.push(listen(t, gateway, token, Array.from({ length: topicsEach }, (_, k) => ids[(n * 7 + k * 5) % AGENTS] ?? '')))
      if (n % OPENED_AT_ONCE < OPENED_AT_ONCE - 1 && n < socketsEach - 1) continue
      await Promise.all(listeners.slice(-OPENED_AT_ONCE).map(async (one) => { await one.subscribed }))
    }
  }
  for (let n = 0; n < EVENTS_PER_TOPIC; n++) {
    await Promise.all(ids.map(async (id) => { await redis.client.publish(`ws:topic:agent:${id}`, JSON.stringify({ event: 'count', data: n })) }))
  }
  await until('every event arrived', () => listeners.every(({ got }) => got.length >= topicsEach * EVENTS_PER_TOPIC), 30_000)
  const expected = [...Array(EVENTS_PER_TOPIC).keys()].join()
  const wrong = listeners.filter(({ got, topics }) => {
    const inOrder = (topic: string): boolean => got.filter(one => one.topic === topic).map(one => one.n).join() === expected
    return got.length !== topicsEach * EVENTS_PER_TOPIC || !topics.every(inOrder)
  })
  t.equal(listeners.length, processes * socketsEach)
  t.equal(wrong.length, 0, 'every socket has each of its topics complete and in order, and nothing else')
}
