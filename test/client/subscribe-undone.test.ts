// A list that goes in several frames, and fails at a later one: what is left again is what it alone has brought.
import t, { type Test } from 'tap'
import { freshAddress } from '../support/client.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { observe, reasonOf, type ObservedClient } from './observed-client.js'
import { startRestartableGateway } from './restartable-gateway.js'
import { obey, startScriptedServer } from './scripted-server.js'

const MAX_IDS = 10
const AGENTS = Array.from({ length: 15 }, (_, n) => `a${n}`)
const LONG = [...AGENTS, 'foreign']

const issuer = await startIssuer(t)
const gateway = await startRestartableGateway(t, issuer, { WS_MAX_FILTER_IDS: String(MAX_IDS), WS_SUBSCRIBES_PER_S: '1000', WS_IP_MESSAGES: '10000' })
const token = (): string => issuer.sign({ agents: AGENTS, tasks: AGENTS })

interface Subject extends ObservedClient {
  /** The topics of those that are heard, by an event on each. */
  heard (topics: readonly string[]): Promise<string[]>
}

let published = 0
async function open (t: Test, agents?: string[]): Promise<Subject> {
  const observed = observe(t, { url: gateway.url, token, ...(agents === undefined ? {} : { agents }) }, freshAddress())
  await observed.reached('open')
  return {
    ...observed,
    async heard (topics) {
      const name = `e${published++}`
      for (const topic of topics) await gateway.publish(topic, name, 1)
      // The user's own topic is heard by each client: what was published before it has come.
      await gateway.publish('user:alice', name, 1)
      const of = (): string[] => observed.events.filter(({ event }) => event === name).map(({ topic }) => topic)
      await until('the last event', () => of().includes('user:alice'))
      return of().filter(topic => topic !== 'user:alice').toSorted()
    }
  }
}

t.test('what another call has confirmed meanwhile stays', async (t) => {
  const { client, heard } = await open(t)
  const [long, short] = [client.subscribe({ agents: LONG }), client.subscribe({ agents: ['a1'] })]
  t.equal(await reasonOf(long), 'forbidden')
  t.match(await short, { agent_ids: ['a1'] })
  t.same(await heard(['agent:a0', 'agent:a1', 'agent:a2']), ['agent:a1'])
})

t.test('all goes when both fail, and nothing when the long one comes second', async (t) => {
  const { client, heard } = await open(t)
  t.same(await Promise.all([client.subscribe({ agents: LONG }), client.subscribe({ agents: LONG.toReversed() })].map(reasonOf)), ['forbidden', 'forbidden'])
  t.same(await heard(['agent:a0', 'agent:a3', 'agent:a14']), [])
  const [short, long] = [client.subscribe({ agents: ['a1'] }), client.subscribe({ agents: LONG })]
  await short
  t.equal(await reasonOf(long), 'forbidden')
  t.same(await heard(['agent:a0', 'agent:a1']), ['agent:a1'])
})

t.test('a `*` that is undone leaves what was named before it, and what a call has named meanwhile', async (t) => {
  const { client, heard } = await open(t, ['a0'])
  const [long, short] = [client.subscribe({ agents: '*', tasks: LONG }), client.subscribe({ agents: ['a1'] })]
  t.equal(await reasonOf(long), 'forbidden')
  await short
  t.same(await heard(['agent:a0', 'agent:a1', 'agent:a2', 'task:a0']), ['agent:a0', 'agent:a1'])
})

t.test('what `*` has is not left with a list that fails', async (t) => {
  const { client, heard } = await open(t)
  await client.subscribe({ agents: '*' })
  t.equal(await reasonOf(client.subscribe({ agents: LONG })), 'forbidden')
  t.same(await heard(['agent:a0', 'agent:a1']), ['agent:a0', 'agent:a1'])
})

t.test('what is asked for while it is undone is not left any more', async (t) => {
  let [asked, answer] = [false, (): void => {}]
  const server = await startScriptedServer(t, (peer) => { peer.welcome() }, (peer, frame) => {
    const ids = frame['agent_ids'] as string[]
    if (ids.includes('foreign')) return peer.send({ type: 'error', id: frame['id'], error: 'forbidden', message: 'x' })
    if (frame['type'] !== 'unsubscribe' || asked) return obey(peer, frame)
    // The first part of the undoing is under way.
    asked = true
    answer = () => { obey(peer, frame) }
  })
  const { client, reached } = observe(t, { url: server.url, token: () => 'a.b.c' })
  await reached('open')
  const long = client.subscribe({ agents: ['a0', 'a1', 'a2', 'a3', 'foreign'] })
  long.catch(() => {})
  await until('it is being undone', () => asked)
  const short = client.subscribe({ agents: ['a3'] })
  answer()
  t.match(await short, { agent_ids: ['a3'] })
  t.equal(await reasonOf(long), 'forbidden')
  const left = server.peers.flatMap(({ got }) => got).filter(({ type }) => type === 'unsubscribe').flatMap(frame => frame['agent_ids'] as string[])
  t.same(left.toSorted(), ['a0', 'a1', 'a2'])
})
