import { sleep } from './processes.js'
import { createRandom } from './random.js'

/** Of requests to Redis while answers are lost. */
const LOST_SHARE = 0.02

/**
 * Lets faults of Redis happen one at a time. Each resolves when Redis is up again.
 * @param {Record<string, (forMs: number) => Promise<void>>} faults
 */
export function oneAtATime (faults) {
  let busy = Promise.resolve()
  return async (kind, forMs) => {
    const before = busy
    let done = () => {}
    busy = new Promise((resolve) => { done = resolve })
    await before
    try {
      await faults[kind](forMs)
    } finally {
      done()
    }
  }
}

/** What is not steady while a fault lasts. @param {import('./steadiness.js').Steadiness} steadiness */
export function createUnsteadily (steadiness) {
  /** @param {string} kind @param {() => Promise<void>} fault */
  return async (kind, fault) => {
    const end = steadiness.begin(kind)
    try {
      await fault()
    } finally {
      end()
    }
  }
}

/**
 * Faults of the network between the gateways and Redis. The limits hold meanwhile, or a gateway says that they do not.
 * @param {import('./relay.js').Relay[]} relays
 */
export function networkFaults (relays) {
  const random = createRandom(relays.length)
  return {
    redis_answers_lost: async (forMs) => {
      const ends = relays.map(relay => relay.loseAnswers(() => random.chance(LOST_SHARE)))
      await sleep(forMs)
      for (const end of ends) end()
    },
    redis_half_open: async (forMs) => {
      const end = random.pick(relays).swallow('near')
      await sleep(forMs)
      end()
    }
  }
}
export const NETWORK_SPANS = { redis_answers_lost: [1500, 4000], redis_half_open: [500, 3000] }
