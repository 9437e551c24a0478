import type { RedisClient } from '../redis/client.js'
import { inboundStream } from '../redis/keys.js'
import { readFlag } from '../redis/lua-reply.js'
import { createScriptRunner, readLuaScript } from '../redis/lua-script.js'
import type { Inbound } from './inbound.js'

export interface RedisInboundOptions {
  readonly client: RedisClient
  /** Of the stream `<prefix>ws:inbound`. */
  readonly prefix: string
  /** Entries of the stream at which messages are refused. */
  readonly maxEntries: number
  /** How long Redis may take, in ms. */
  readonly timeoutMs?: number
}

const appendInbound = readLuaScript(new URL('./lua/', import.meta.url), 'append-inbound')

/** Inbound messages as entries of a Redis stream, which the back end reads and deletes. */
export function createRedisInbound ({ client, prefix, maxEntries, timeoutMs = 1000 }: RedisInboundOptions): Inbound {
  const stream = inboundStream(prefix)
  const run = createScriptRunner(client, timeoutMs)
  let closed = false
  return {
    async append ({ connectionId, userId, to, data, ts }) {
      if (closed) throw new Error('inbound is closed')
      const fields = [connectionId, userId, to, JSON.stringify(data), ts.toISOString()]
      return readFlag(await run(appendInbound, [stream], [maxEntries, ...fields]), appendInbound.name) ? 'stored' : 'full'
    },
    close () { closed = true }
  }
}
