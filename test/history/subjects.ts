import { Cluster, Redis } from '#ioredis'
import hashSlot from 'cluster-key-slot'
import type { Test } from 'tap'
import { channelsOf } from '../../src/bus/topics.js'
import { createRedisHistory, type HistoryClient } from '../../src/history/redis-history.js'
import { historyKey } from '../../src/redis/keys.js'
import type { TestClock } from '../limits/clocks.js'
import { createTestClock } from '../limits/clocks.js'
import type { TestRedis, TestRedisCluster } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'
import type { MakeSubject, Subject } from './history-conformance.js'

/** One message that was published: where, and its bytes as text of one byte each. */
export type Heard = readonly [channel: string, message: string]

/**
 * The scripts on a real Redis, but by the test's clock: the one line that reads Redis's is replaced. Redis knows none of them, so
 * each call is sent twice, as after a restart.
 */
export function runHistoryByClock (client: Redis | Cluster, clock: TestClock): HistoryClient {
  const setTime = (text: string): string => {
    const nowMs = clock.now()
    return text.replace("redis.call('TIME')", `{ '${Math.floor(nowMs / 1000)}', '${(nowMs % 1000) * 1000}' }`)
  }
  const lost = async (): Promise<never> => { throw new Error('NOSCRIPT so that the text is sent') }
  return {
    isCluster: client instanceof Cluster,
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

const TOPICS = ['agent:a1', 'agent:a2', 'task:t1', 'user:alice', 'user:u1']
const MARK = 'mark'

/** The same on a cluster, of these topics. */
export async function hearTopics (t: Test, cluster: TestRedisCluster): Promise<() => Promise<readonly Heard[]>> {
  const heard: Heard[] = []
  let marks = 0
  const channels = TOPICS.map(topic => channelsOf(topic, '')[0] ?? '')
  const ownerOf = (channel: string): TestRedis | undefined => cluster.nodes[Math.floor(hashSlot(channel) * cluster.nodes.length / 16_384)]
  await Promise.all(cluster.nodes.map(async (node) => {
    const subscriber = new Redis(node.port)
    t.teardown(() => { subscriber.disconnect() })
    subscriber.on('smessageBuffer', (channel: Buffer, message: Buffer) => {
      if (message.toString() === MARK) marks++
      else heard.push([channel.toString(), message.toString('latin1')])
    })
    for (const channel of channels.filter(one => ownerOf(one) === node)) await subscriber.ssubscribe(channel)
  }))
  let sent = 0
  return async () => {
    for (const channel of channels) await ownerOf(channel)?.client.spublish(channel, MARK)
    sent += channels.length
    await until('all was heard', () => marks === sent)
    return heard
  }
}

/** Makes subjects over these servers, one after the other: each begins with all of them empty. */
export function makeRedisSubjects (
  client: Redis | Cluster, nodes: readonly TestRedis[], hear: (t: Test) => Promise<() => Promise<readonly Heard[]>>
): MakeSubject {
  const each = async (work: (node: Redis, key: string) => Promise<unknown>): Promise<void> => {
    for (const node of nodes) for (const key of await node.client.keys('*')) await work(node.client, key)
  }
  const flush = async (): Promise<void> => { for (const node of nodes) await node.client.flushall() }
  const isOf = (topic: string, key: string): boolean => key.startsWith(historyKey('', channelsOf(topic, '')[0] ?? ''))
  return async (t, settings): Promise<Subject> => {
    await flush()
    const clock = createTestClock(1_800_000_000_000)
    return {
      history: createRedisHistory({ client: runHistoryByClock(client, clock), prefix: '', settings, timeoutMs: HANG_MS }),
      heard: await hear(t),
      flush,
      pass: async (ms) => {
        clock.advance(ms)
        // What would have expired meanwhile does.
        await each(async (node, key) => {
          const leftMs = await node.pttl(key) - ms
          await (leftMs > 0 ? node.pexpire(key, leftMs) : node.del(key))
        })
      },
      evict: async (topic, what) => {
        await each(async (node, key) => { if (isOf(topic, key) && key.includes(':events:') === (what === 'events')) await node.del(key) })
      },
      replicate: async () => { for (const node of nodes) await node.client.call('DEBUG', 'CHANGE-REPL-ID') },
      copy: async (topic) => {
        const copied: Array<readonly [Redis, string, Buffer]> = []
        await each(async (node, key) => { if (isOf(topic, key)) copied.push([node, key, await node.dumpBuffer(key) ?? Buffer.alloc(0)]) })
        return async () => {
          await each(async (node, key) => { if (isOf(topic, key)) await node.del(key) })
          for (const [node, key, dump] of copied) await node.restore(key, settings.keepMs, dump)
        }
      }
    }
  }
}
