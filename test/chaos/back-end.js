import { sleep } from './processes.js'
import { AGENTS, TASKS } from './terms.js'

const PAUSE_MS = [20, 120]
const USERS = 14
const STREAM = 'ws:inbound'
/** Longer than any run. */
const ORDER_S = 86_400

/**
 * The back end of the product: publishes on every topic, also on those that most users must not hear, by Redis and by
 * HTTP; takes what clients sent; gives an operator's orders.
 * @param {import('./world.js').World} world @param {ReturnType<typeof import('./random.js').createRandom>} random
 */
export function startBackEnd ({ redis: topology, publishKey, gateways, tally, sends, orders }, random) {
  const redis = topology.openClient()
  redis.on('error', () => { /* outages are what this is about */ })
  const stopping = new AbortController()

  const chooseTopic = () => random.pick([
    () => `agent:${random.pick(AGENTS)}`, () => `task:${random.pick(TASKS)}`, () => `user:user-${random.below(USERS)}`
  ])()

  async function publishByHttp (topic) {
    const response = await fetch(`http://127.0.0.1:${random.pick(gateways).port}/v1/publish`, {
      method: 'POST',
      headers: { 'X-Publish-Key': publishKey },
      body: JSON.stringify({ topic, event: 'changed', data: { topic } }),
      signal: AbortSignal.timeout(1500)
    })
    await response.arrayBuffer()
    tally.count('operations', `published by HTTP: ${response.status}`)
  }
  async function publishByRedis (topic) {
    await redis.publish(`ws:topic:${topic}`, JSON.stringify({ event: 'changed', data: { topic } }))
    tally.count('operations', 'published by Redis')
  }
  async function takeInbound () {
    const entries = await redis.xrange(STREAM, '-', '+', 'COUNT', 1000)
    for (const [id, fields] of entries) sends.find(id, fields)
    if (entries.length > 0) await redis.xdel(STREAM, ...entries.map(([id]) => id))
    tally.count('operations', 'inbound entries taken', entries.length)
    return entries.length
  }
  async function disconnectSomebody () {
    const response = await random.pick(gateways).admin(`/v1/users/user-${random.below(USERS)}/connections`, { method: 'DELETE' })
    await response.arrayBuffer()
    tally.count('operations', `disconnected a user: ${response.status}`)
  }
  /** True: it is acknowledged. */
  async function give (method, { kind, name }) {
    const [path, body] = kind === 'ban' ? [`/v1/bans/${name}`, { seconds: ORDER_S }] : ['/v1/revocations', { jti: name }]
    const isBodiless = kind === 'ban' && method === 'DELETE'
    const response = await random.pick(gateways).admin(path, { method, ...(isBodiless ? {} : { body: JSON.stringify(body) }) })
    await response.arrayBuffer()
    tally.count('operations', `${kind}, ${method}: ${response.status}`)
    return response.status === 204
  }
  async function giveAnOrder () {
    const order = orders.make(random.pick(['ban', 'revocation']))
    order.isKnown = await give(order.kind === 'ban' ? 'PUT' : 'POST', order)
  }
  async function takeOneBack () {
    const order = random.pick(orders.orders)
    if (order === undefined || order.isLifted || !order.isKnown) return
    order.isKnown = false
    order.isKnown = await give('DELETE', order)
    order.isLifted = true
    order.atMs = Date.now()
  }
  async function doSomething () {
    const deed = random.below(200)
    if (deed === 0) await disconnectSomebody()
    else if (deed > 192) await giveAnOrder()
    else if (deed > 189) await takeOneBack()
    else if (deed < 5) await takeInbound()
    else if (deed < 50) await publishByHttp(chooseTopic())
    else await publishByRedis(chooseTopic())
  }

  const working = (async () => {
    while (!stopping.signal.aborted) {
      await doSomething().catch(() => { tally.count('operations', 'back end: in vain') })
      await sleep(random.between(...PAUSE_MS))
    }
  })()
  return {
    async stop () {
      stopping.abort()
      await working
      // To the end: what is found is compared with what was sent.
      while (await takeInbound() > 0) { /* more */ }
      redis.disconnect()
    }
  }
}
