import type { Test } from 'tap'
import type { Redis, Cluster } from '#ioredis'
import { createPublisher } from '../../src/publisher/create-publisher.js'
import { connect, freshAddress, type Frame, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'

/** A gateway whose comparisons with the store come fifty times as often. */
export const QUICK = { NODE_OPTIONS: `--import=${new URL('test/support/quick-comparisons.js', PROJECT).href}` }
export const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'

/** A gateway, and a back end that publishes past it, straight at Redis. */
export interface Bench {
  readonly gateway: TestGateway
  readonly issuer: TestIssuer
  /** Opens a connection of alice, who may see agents a1 to a9; `welcome` and, where lists are named, `subscribed` have been taken. */
  open (query?: string, gateway?: Pick<TestGateway, 'url'>): Promise<HistoryClient>
  /** Publishes one after the other; resolves with their positions. */
  publish (topic: string, ...data: unknown[]): Promise<string[]>
  /** Publishes numbers from `first` on until this client hears one of them; resolves with the last. */
  publishUntilHeard (topic: string, first: number, client: Pick<TestClient, 'waiting'>): Promise<number>
  /** One more gateway with the same settings, but these. */
  startAnother (more: Readonly<Record<string, string>>): Promise<TestGateway>
}

export interface HistoryClient extends TestClient {
  readonly welcome: Frame
  readonly subscribed: Frame | null
  /** What comes until each of these data came, as `tellAll` writes it. Events of two topics come in no order: name the last of each. */
  until (...data: unknown[]): Promise<Array<unknown>>
}

const AGENTS = Array.from({ length: 9 }, (_, n) => `a${n + 1}`)

export async function setUp (t: Test, redis: Redis | Cluster, env: Readonly<Record<string, string>>): Promise<Bench> {
  const issuer = await startIssuer(t)
  const settings = { ...trust(issuer), PUBLISH_KEY, WS_USER_CONNECTIONS: '1000', WS_IP_CONNECTIONS: '1000', ...env }
  const gateway = await startGateway(t, settings)
  const publisher = createPublisher({ redis, settings: env })
  async function publish (topic: string, ...data: unknown[]): Promise<string[]> {
    const positions = []
    for (const one of data) positions.push(String((await publisher.publish(topic, 'e', one)).pos))
    return positions
  }
  return {
    gateway,
    issuer,
    open: async (query = '', at = gateway) => await openClient(t, at, issuer, query),
    publish,
    async publishUntilHeard (topic, first, client) {
      let next = first
      await until('events arrive again', async () => {
        await publish(topic, next++)
        return client.waiting.some(frame => frame.type === 'event' && frame['topic'] === topic && Number(frame['data']) >= first)
      })
      return next - 1
    },
    startAnother: async more => await startGateway(t, { ...settings, ...more })
  }
}

async function openClient (t: Test, gateway: Pick<TestGateway, 'url'>, issuer: TestIssuer, query: string): Promise<HistoryClient> {
  const token = issuer.sign({ sub: 'alice', agents: AGENTS })
  const client = await connect(t, gateway, `/ws?token=${token}${query === '' ? '' : `&${query}`}`, { from: freshAddress() })
  const welcome = await client.nextOf('welcome')
  const subscribed = query.includes('_ids=') ? await client.nextOf('subscribed') : null
  return Object.assign(client, { welcome, subscribed, until: async (...data: unknown[]) => await tellAll(client, data) })
}

/**
 * What a client is told, in order, until an event came with each of these data: of an event its data, of a gap `gap` and the offset of
 * each topic.
 * Of the user's own topic nothing is published here; a gap there is true after a loss, and says nothing of the topics that are looked at.
 */
async function tellAll (client: TestClient, last: readonly unknown[]): Promise<Array<unknown>> {
  const told: unknown[] = []
  const missing = new Set(last)
  for (;;) {
    const frame = await client.next()
    if (frame.type === 'event') told.push(frame['data'])
    else if (frame.type === 'gap') told.push(...gapsOf(frame['topics'] as Record<string, string>))
    else told.push(frame.type)
    if (frame.type === 'event' && missing.delete(frame['data']) && missing.size === 0) return told
  }
}

function gapsOf (topics: Record<string, string>): string[] {
  const gaps = Object.entries(topics).filter(([topic]) => !topic.startsWith('user:')).map(([topic, pos]) => `${topic} ${offsetOf(pos)}`)
  return gaps.length === 0 ? [] : [`gap ${gaps.toSorted().join()}`]
}

export const offsetOf = (pos: unknown): number => Number(String(pos).split(':')[1])
export const epochOf = (pos: unknown): string => String(pos).split(':')[0] ?? ''

/** What `subscribed` says of a topic. */
export function answerOf (subscribed: Frame | null, topic: string): { readonly pos: string, readonly recovered: boolean | undefined } {
  const { positions, recovered } = subscribed as Frame & Record<'positions' | 'recovered', Record<string, unknown> | undefined>
  return { pos: String(positions?.[topic]), recovered: recovered?.[topic] as boolean | undefined }
}

/** Comes back to a topic on a new connection, with the position that it had. */
export async function comeBack (bench: Pick<Bench, 'open'>, topic: string, since: string, gateway?: Pick<TestGateway, 'url'>): Promise<HistoryClient> {
  const client = await bench.open('', gateway)
  client.send({ type: 'subscribe', agent_ids: [topic.slice('agent:'.length)], since: { [topic]: since } })
  return Object.assign(client, { subscribed: await client.nextOf('subscribed') })
}

export const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n)

/**
 * What is wrong with what a client was told, where numbers were published one by one from `first` on: what came twice or out of order,
 * and what was missing without a gap before the next event.
 */
export function faultsOf (told: readonly unknown[], first: number): string[] {
  const faults = []
  let [next, isGap] = [first, false]
  for (const one of told) {
    if (typeof one !== 'number') isGap = true
    else {
      if (one < next) faults.push(`${one} came after ${next - 1}`)
      if (one > next && !isGap) faults.push(`${next} to ${one - 1} are missing without a word`)
      next = one + 1
      isGap = false
    }
  }
  return faults
}
