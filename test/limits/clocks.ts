import type { Redis } from '#ioredis'
import type { ScriptClient } from '../../src/redis/lua-script.js'

/** Time that passes when the test says so, in ms. */
export interface TestClock {
  now (): number
  advance (ms: number): void
}

export function createTestClock (startMs: number): TestClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance: (ms) => { nowMs += ms }
  }
}

/**
 * The scripts on a real Redis, but by the test's clock: the one line that reads Redis's is replaced. Redis knows none of
 * them, so each call is sent twice, as after a restart. With `isCluster` the limiter sends what it would send to a cluster.
 */
export function runByClock (client: Redis, clock: TestClock, isCluster = false): ScriptClient {
  const setTime = (text: string): string => {
    const nowMs = clock.now()
    return text.replace("redis.call('TIME')", `{ '${Math.floor(nowMs / 1000)}', '${(nowMs % 1000) * 1000}' }`)
  }
  return {
    isCluster,
    evalsha: async () => { throw new Error('NOSCRIPT so that the text is sent') },
    eval: async (text, keyCount, ...rest) => await client.eval(setTime(text), keyCount, ...rest)
  }
}
