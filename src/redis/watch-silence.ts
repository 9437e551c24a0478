import { Cluster, type Redis } from '#ioredis'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'
import type { RedisClient } from './client.js'

/** How often a connection is looked at in the time for which it may be silent. */
const LOOKS = 4

/** A connection on which commands wait: what had arrived when it was first seen so, and how many looks ago that was. */
interface Waiting {
  readonly stream: Redis['stream']
  readonly bytes: number
  looks: number
}

/**
 * Ends each connection of a client on which commands wait and nothing has arrived for `silentMs`, and at most a quarter more: it is
 * half-open, or its Redis hangs. Looks are counted and not time, as a process that was stopped has not read what is there. ioredis's own
 * `socketTimeout` does the same by a timer and a listener for each command, which was a twentieth of the price of an upgrade. Returns what
 * ends the watch.
 */
export function watchSilence (client: RedisClient, silentMs: number, timers: Pick<Timers, 'after'> = SYSTEM_TIMERS): () => void {
  const waiting = new WeakMap<Redis, Waiting>()
  let stop = (): void => {}
  const lookAt = (node: Redis): void => {
    const { stream, commandQueue } = node
    const seen = waiting.get(node)
    // There is no stream before the first connection, whatever its type says.
    const bytes = (stream as Redis['stream'] | undefined)?.bytesRead
    if (bytes === undefined || commandQueue.length === 0) waiting.delete(node)
    else if (seen?.stream !== stream || seen.bytes !== bytes) waiting.set(node, { stream, bytes, looks: 0 })
    else if (++seen.looks >= LOOKS) stream.destroy(new Error(`Socket timeout: commands wait, and nothing has arrived for ${silentMs} ms`))
  }
  const look = (): void => {
    for (const node of client instanceof Cluster ? client.nodes() : [client]) lookAt(node)
    stop = timers.after(silentMs / LOOKS, look)
  }
  look()
  return () => { stop() }
}
