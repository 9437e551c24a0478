import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import { connect } from '../../packages/client/src/connect.js'
import type { Publisher } from '../../src/publisher/create-publisher.js'
import type { Lifetime } from '../support/gateway.js'
import type { TestIssuer } from '../support/issuer.js'
import type { Ledger } from './ledger.js'

const AGENTS = Array.from({ length: 10 }, (_, n) => `a${n}`)
/** Users to whose own topics events are published. */
const TOLD_USERS = 5
const AGENTS_OF_A_CLIENT = 3
const PAUSE_MS = 150

/** Who has which topics: each client is a user of its own. */
function topicsOf (client: number): { readonly agents: string[], readonly topics: string[] } {
  const agents = Array.from({ length: AGENTS_OF_A_CLIENT }, (_, n) => AGENTS[(client + 3 * n) % AGENTS.length] ?? '')
  return { agents, topics: [...agents.map(id => `agent:${id}`), ...client < TOLD_USERS ? [`user:u${client}`] : []] }
}

export interface Meeting { readonly frontPort: number, readonly issuer: TestIssuer, readonly ledger: Ledger }

/**
 * Connects a client of the product, which stays with the test, and writes down all that it is told. Resolves when it listens to all its
 * topics.
 */
export async function joinClient (t: Lifetime, { frontPort, issuer, ledger }: Meeting, index: number): Promise<void> {
  const { agents, topics } = topicsOf(index)
  const member = ledger.join(topics)
  const client = connect({
    url: `ws://127.0.0.1:${frontPort}/ws`,
    token: () => issuer.sign({ sub: `u${index}`, agents: AGENTS }),
    agents,
    WebSocket,
    backoff: { baseMs: 100, capMs: 1000 },
    timeoutMs: 5000,
    keepAliveMs: 5000
  })
  client.on('event', ({ topic, data }) => { member.hear(topic, data as number) })
  client.on('gap', ({ topics: lost }) => { for (const topic of Object.keys(lost)) member.tell(topic, false) })
  client.on('recovered', ({ topics: told }) => { for (const [topic, isWhole] of Object.entries(told)) member.tell(topic, isWhole) })
  t.teardown(() => { client.close() })
  await new Promise<void>((resolve) => { client.on('subscribed', () => { resolve() }) })
}

export interface Load {
  /** Resolves when nothing is being published any more. */
  stop (): Promise<void>
}

/** Publishes numbers on each topic, one after the other, with ids, and again where the answer was lost: half of the topics by HTTP. */
export function startPublishers (publishers: readonly Publisher[], ledger: Ledger): Load {
  const over = new AbortController()
  async function publishOn (topic: string, publisher: Publisher): Promise<void> {
    for (let number = 1; !over.signal.aborted; number++) {
      // Without an answer nobody was promised anything.
      const answer = await publisher.publish(topic, 'e', number, { id: `${topic} ${number}` }).catch(() => null)
      if (answer !== null) ledger.acknowledge(topic, number)
      await sleep(PAUSE_MS)
    }
  }
  const topics = [...AGENTS.map(id => `agent:${id}`), ...Array.from({ length: TOLD_USERS }, (_, n) => `user:u${n}`)]
  const work = Promise.all(topics.map(async (topic, n) => { await publishOn(topic, publishers[n % publishers.length] as Publisher) }))
  return {
    async stop () {
      over.abort()
      await work
    }
  }
}
