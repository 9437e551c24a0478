import { waitAtMost } from '../redis/bounded-wait.js'
import type { RedisClient } from './channels.js'
import type { Inbound } from './inbound.js'
import { readFlag } from '../redis/lua-reply.js'
import { readLuaScript, runLuaScript } from '../redis/lua-script.js'

export interface RedisInboundOptions {
  readonly client: RedisClient
  /** Of the stream `<prefix>ws:inbound`. */
  readonly prefix: string
  /** Entries of the stream at which messages are refused. */
  readonly maxEntries: number
  /** How long Redis may take, in ms. */
  readonly timeoutMs?: number
}

const appendInbound = readLuaScript(new URL('./lua/append-inbound.lua', import.meta.url))

/** Inbound messages as entries of a Redis stream, which the back end reads and deletes. */
export function createRedisInbound ({ client, prefix, maxEntries, timeoutMs = 1000 }: RedisInboundOptions): Inbound {
  const stream = `${prefix}ws:inbound`
  let closed = false
  return {
    async append ({ connectionId, userId, to, data, ts }) {
      if (closed) throw new Error('inbound is closed')
      const fields = [connectionId, userId, to, JSON.stringify(data), ts.toISOString()]
      const stored = runLuaScript(client, appendInbound, [stream], [maxEntries, ...fields])
      return readFlag(await waitAtMost(stored, timeoutMs, 'storing a message'), appendInbound.name) ? 'stored' : 'full'
    },
    close () { closed = true }
  }
}
