import { Cluster } from '#ioredis'
import { waitAtMost } from '../redis/bounded-wait.js'
import type { RedisClient } from '../redis/client.js'
import { readCount } from '../redis/lua-reply.js'
import { readLuaScript } from '../redis/lua-script.js'

/**
 * Publishes on a channel; resolves once a Redis that takes writes has it, with the number of connections that got it. Rejects
 * when that takes longer than the publisher's limit, and when it leads to a replica.
 */
export type PublishText = (channel: string, text: string) => Promise<number>

const script = readLuaScript(new URL('./lua/', import.meta.url), 'publish')
// Sent as text each time, so without its comments. By its hash, a message whose script Redis has just lost would be sent twice,
// and the one after it could pass.
const SCRIPT = script.text.replace(/^--.*\n/gm, '')

/** Makes what publishes text: `PUBLISH`, on a cluster `SPUBLISH`. The calls for one channel keep their order. */
export function createPublisher (client: RedisClient, timeoutMs: number): PublishText {
  if (client instanceof Cluster) return createShardPublisher(client, timeoutMs)
  return async (channel, text) => readCount(await waitAtMost(client.eval(SCRIPT, 1, channel, 'PUBLISH', text), timeoutMs, 'publishing'), script.name)
}

/**
 * While a slot moves, ioredis sends a command again some time later, or by way of another node, and lets others pass: so a
 * channel's next message is sent only when the one before has arrived or failed.
 */
function createShardPublisher (cluster: Cluster, timeoutMs: number): PublishText {
  const latest = new Map<string, Promise<number>>()
  return async (channel, text) => {
    const before = latest.get(channel)
    let late = false
    const sending = (async () => {
      await before?.catch(() => { /* its own publisher was told */ })
      // Its publisher was told that it failed: it must not arrive after all.
      if (late) throw new Error('publishing was given up')
      return readCount(await cluster.eval(SCRIPT, 1, channel, 'SPUBLISH', text), script.name)
    })()
    latest.set(channel, sending)
    try {
      return await waitAtMost(sending, timeoutMs, 'publishing')
    } finally {
      late = true
      if (latest.get(channel) === sending) latest.delete(channel)
    }
  }
}
