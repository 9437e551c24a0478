import { Redis } from 'ioredis'
import { sleep } from './processes.js'
import { AGENTS, TASKS } from './terms.js'

const PAUSE_MS = [20, 120]
const USERS = 14

/**
 * The back end of the product: publishes on every topic, also on those that most users must not hear, by Redis and by
 * HTTP; takes what clients sent; gives an operator's orders.
 * @param {import('./world.js').World} world @param {ReturnType<typeof import('./random.js').createRandom>} random
 */
export function startBackEnd ({ redisUrl, publishKey, gateways, tally }, random) {
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: 500, retryStrategy: () => 50 })
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
    tally.count('operations', 'inbound entries taken', await redis.xtrim('ws:inbound', 'MAXLEN', 0))
  }
  async function disconnectSomebody () {
    const response = await random.pick(gateways).admin(`/v1/users/user-${random.below(USERS)}/connections`, { method: 'DELETE' })
    await response.arrayBuffer()
    tally.count('operations', `disconnected a user: ${response.status}`)
  }
  async function doSomething () {
    const deed = random.below(200)
    if (deed === 0) await disconnectSomebody()
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
      redis.disconnect()
    }
  }
}
