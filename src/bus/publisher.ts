import { Cluster } from '#ioredis'
import { waitAtMost } from '../redis/bounded-wait.js'
import type { RedisClient } from '../redis/client.js'

/** Publishes on a channel; resolves once Redis has it, rejects when that takes longer than the publisher's limit. */
export type PublishText = (channel: string, text: string | Buffer) => Promise<void>

/** Makes what publishes text: `PUBLISH`, on a cluster `SPUBLISH`. The calls for one channel keep their order. */
export function createPublisher (client: RedisClient, timeoutMs: number): PublishText {
  if (client instanceof Cluster) return createShardPublisher(client, timeoutMs)
  return async (channel, text) => { await waitAtMost(client.publish(channel, text), timeoutMs, 'publishing') }
}

/**
 * While a node connects, and after a failover, ioredis sends a command again some time later by way of any node, and
 * lets others pass: so a channel's next message is sent only when the one before has arrived or failed.
 */
function createShardPublisher (cluster: Cluster, timeoutMs: number): PublishText {
  const latest = new Map<string, Promise<void>>()
  return async (channel, text) => {
    const before = latest.get(channel)
    let late = false
    const sending = (async () => {
      await before?.catch(() => { /* its own publisher was told */ })
      // Its publisher was told that it failed: it must not arrive after all.
      if (late) throw new Error('publishing was given up')
      await cluster.spublish(channel, text)
    })()
    latest.set(channel, sending)
    try {
      await waitAtMost(sending, timeoutMs, 'publishing')
    } finally {
      late = true
      if (latest.get(channel) === sending) latest.delete(channel)
    }
  }
}
