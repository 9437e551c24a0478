import { setTimeout as sleep } from 'node:timers/promises'
import type { ReturningGateway } from './gateways.js'
import type { Ledger } from './ledger.js'
import type { RedisWorld } from './redis-world.js'

/** What a fault strikes. */
export interface Scene {
  readonly redis: RedisWorld
  readonly gateways: readonly ReturningGateway[]
  readonly ledger: Ledger
  /** A whole number from 0 up to, not including, `end`. */
  readonly below: (end: number) => number
  /** For how long what stands still does, in ms. */
  readonly stillMs: number
}

const LOST_WRITES = 40
const SWALLOWED = 20

const oneOf = ({ gateways, below }: Scene): ReturningGateway => gateways[below(gateways.length)] as ReturningGateway

/** Loses one in four publications on their way, until it were enough. */
async function swallow ({ redis, below }: Scene, meanwhile: () => Promise<unknown>): Promise<void> {
  const losses = redis.proxies.map(proxy => proxy.swallow(text => text.includes('"pos":') && below(4) === 0))
  while (losses.reduce((sum, { lost }) => sum + lost(), 0) < SWALLOWED) await meanwhile()
  for (const loss of losses) loss.stop()
}

/** Deletes the events of all topics, and not their heads. */
async function evict ({ redis }: Scene): Promise<void> {
  for (const { client } of await redis.masters()) {
    // Each by itself: on a cluster they stand in different slots.
    for (const key of await client.keys('ws:history:*:events:*')) await client.del(key)
  }
}

/** Resolves when so many more were acknowledged. */
export async function untilPublished ({ ledger }: Pick<Scene, 'ledger'>, count: number): Promise<void> {
  const before = ledger.published
  while (ledger.published < before + count) await sleep(10)
}

/** Every fault by its name. Each resolves when what was struck is there again. */
export const FAULTS: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'a gateway is killed (kill -9)': async (scene) => { await oneOf(scene).restart('SIGKILL') },
  'a gateway stands still (SIGSTOP)': async (scene) => {
    const gateway = oneOf(scene)
    gateway.signal('SIGSTOP')
    await sleep(scene.stillMs)
    gateway.signal('SIGCONT')
  },
  'subscribers are killed (CLIENT KILL)': async ({ redis }) => {
    for (const { client } of await redis.masters()) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  },
  'subscribers are half open': async ({ redis }) => { for (const proxy of redis.proxies) proxy.freezeSubscribers() },
  'publications are swallowed': async (scene) => { await swallow(scene, async () => { await sleep(10) }) },
  'Redis restarts': async ({ redis }) => { await redis.restart() },
  'a fail-over loses writes': async (scene) => { await scene.redis.loseWrites(async () => { await untilPublished(scene, LOST_WRITES) }) },
  FLUSHALL: async ({ redis }) => { for (const { client } of await redis.masters()) await client.flushall() },
  'events are evicted as they are swallowed': async (scene) => { await swallow(scene, async () => { await evict(scene) }) },
  'the gateways restart one by one (SIGTERM)': async ({ gateways }) => { for (const gateway of gateways) await gateway.restart('SIGTERM') }
}
