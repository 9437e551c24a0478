import { Cluster } from '#ioredis'
import { until } from '../support/until.js'
import { freshUser, LIMITS, open, PUBLISH_KEY, type Behaviour } from './world.js'

const STREAM = 'ws:inbound'

/** The names of an entry's fields with their values. */
function readFields (fields: readonly string[]): Record<string, string> {
  return Object.fromEntries(fields.flatMap((name, n) => n % 2 === 0 ? [[name, fields[n + 1] ?? '']] : []))
}

/** Events reach clients of every process; what clients send is in one stream, within one bound. */
export const messagesBetween: readonly Behaviour[] = [
  {
    title: 'what is published by HTTP reaches the clients of both, in order and once',
    async hold (t, { asked, answering, world }) {
      const agent = freshUser()
      const clients = await Promise.all([asked, answering].map(async (gateway) => {
        const client = await open(t, gateway, world.issuer.sign({ sub: freshUser(), agents: [agent] }), { query: `&agent_ids=${agent}` })
        await client.nextOf('subscribed')
        return client
      }))
      for (let n = 0; n < 5; n++) {
        const response = await fetch(asked.url('/v1/publish').replace(/^ws/, 'http'), {
          method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body: JSON.stringify({ topic: `agent:${agent}`, event: 'changed', data: { n, text: 'ä "quoted"' } })
        })
        await response.arrayBuffer()
        t.equal(response.status, 202)
      }
      for (const client of clients) {
        for (let n = 0; n < 5; n++) t.match(await client.next(), { type: 'event', topic: `agent:${agent}`, event: 'changed', data: { n, text: 'ä "quoted"' } })
        client.send({ type: 'ping' })
        t.equal((await client.next()).type, 'pong', 'none twice')
      }
    }
  },
  {
    title: 'what a back end publishes by Redis for a user reaches that user in both',
    async hold (t, { asked, answering, world }) {
      const sub = freshUser()
      const clients = [await open(t, asked, world.issuer.sign({ sub })), await open(t, answering, world.issuer.sign({ sub }))]
      const payload = JSON.stringify({ event: 'note', data: [1, null, { deep: true }] })
      const { redis } = world
      const channel = `ws:topic:user:${sub}`
      const publish = async (): Promise<unknown> =>
        await (redis instanceof Cluster ? redis.spublish(channel, payload) : redis.publish(channel, payload))
      // `welcome` may come before Redis has confirmed that the topic is heard.
      await until('both processes hear it', async () => await publish() === 2)
      for (const client of clients) t.match(await client.nextOf('event'), { topic: `user:${sub}`, event: 'note', data: [1, null, { deep: true }] })
    }
  },
  {
    title: 'what clients of both send stands in one stream in the same form, and its bound is one',
    async hold (t, { asked, answering, world }) {
      await world.redis.xtrim(STREAM, 'MAXLEN', 0)
      const [sub, agent] = [freshUser(), freshUser()]
      const token = world.issuer.sign({ sub, agents: [agent], scope: 'ws:send' })
      const [first, second] = [await open(t, asked, token), await open(t, answering, token)]
      for (let n = 0; n < LIMITS.inbound; n++) {
        const client = n % 2 === 0 ? first : second
        client.send({ type: 'send', id: String(n), to: `agent:${agent}`, data: { n } })
        t.match(await client.next(), { type: 'sent', id: String(n) })
      }
      for (const client of [first, second]) {
        client.send({ type: 'send', id: 'more', to: `agent:${agent}`, data: {} })
        t.match(await client.next(), { type: 'error', id: 'more', error: 'overloaded' })
      }
      const entries = (await world.redis.xrange(STREAM, '-', '+')).map(([, fields]) => readFields(fields))
      const told = entries.map((entry) => ({ user: entry['user_id'], to: entry['to'], data: entry['data'], dated: Date.parse(entry['ts'] ?? '') > 0, known: entry['connection_id'] !== '' }))
      t.same(told, Array.from({ length: LIMITS.inbound }, (_, n) => ({ user: sub, to: `agent:${agent}`, data: `{"n":${n}}`, dated: true, known: true })))
      await world.redis.xtrim(STREAM, 'MAXLEN', 0)
      second.send({ type: 'send', id: 'room', to: `agent:${agent}`, data: {} })
      t.match(await second.next(), { type: 'sent', id: 'room' }, 'there is room again once the back end has taken them')
    }
  }
]
