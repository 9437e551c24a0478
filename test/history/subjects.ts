import { Redis } from '#ioredis'
import type { Test } from 'tap'
import type { HistoryClient } from '../../src/history/redis-history.js'
import type { TestClock } from '../limits/clocks.js'
import type { TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

/** One message that was published: where, and its bytes as text of one byte each. */
export type Heard = readonly [channel: string, message: string]

/**
 * The scripts on a real Redis, but by the test's clock: the one line that reads Redis's is replaced. Redis knows none of them, so
 * each call is sent twice, as after a restart.
 */
export function runHistoryByClock (client: Redis, clock: TestClock): HistoryClient {
  const setTime = (text: string): string => {
    const nowMs = clock.now()
    return text.replace("redis.call('TIME')", `{ '${Math.floor(nowMs / 1000)}', '${(nowMs % 1000) * 1000}' }`)
  }
  const lost = async (): Promise<never> => { throw new Error('NOSCRIPT so that the text is sent') }
  return {
    isCluster: false,
    evalsha: lost,
    eval: async (text, keyCount, ...rest) => await client.eval(setTime(text), keyCount, ...rest),
    callBuffer: async (command, text, ...rest) =>
      command === 'evalsha' ? await lost() : await client.callBuffer(command, setTime(String(text)), ...rest)
  }
}

/** Hears all that is published on one Redis; `read` gives what was published so far. */
export async function hearAll (t: Test, { port, client }: TestRedis): Promise<() => Promise<readonly Heard[]>> {
  const subscriber = new Redis(port)
  t.teardown(() => { subscriber.disconnect() })
  const heard: Heard[] = []
  let marks = 0
  subscriber.on('pmessageBuffer', (_pattern: Buffer, channel: Buffer, message: Buffer) => {
    if (channel.toString() === 'mark') marks++
    else heard.push([channel.toString(), message.toString('latin1')])
  })
  await subscriber.psubscribe('*')
  let sent = 0
  return async () => {
    await client.publish('mark', '')
    sent++
    await until('all was heard', () => marks === sent)
    return heard
  }
}
