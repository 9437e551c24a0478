import type { RedisClient } from '../redis/client.js'
import { inboundCounts, inboundStream } from '../redis/keys.js'
import { UnexpectedReply } from '../redis/lua-reply.js'
import { createScriptRunner, readLuaScript } from '../redis/lua-script.js'
import type { Inbound, InboundBounds, InboundMessage } from './inbound.js'
import { inboundCost } from './inbound-cost.js'

export interface RedisInboundOptions {
  readonly client: RedisClient
  /** Of the stream `<prefix>ws:inbound`. */
  readonly prefix: string
  readonly bounds: InboundBounds
  /** A message was stored that could not be counted: the keys of the counts hold something else, or must not be used. */
  readonly onUncounted?: () => void
  /** How long Redis may take, in ms. */
  readonly timeoutMs?: number
}

type Outcome = Awaited<ReturnType<Inbound['append']>>

const appendInbound = readLuaScript(new URL('./lua/', import.meta.url), 'append-inbound')
/** What the script answers. */
const OUTCOMES: ReadonlyMap<unknown, Outcome> = new Map<number, Outcome>([[1, 'stored'], [2, 'stored'], [0, 'full'], [-1, 'user_full']])
const UNCOUNTED = 2

/**
 * How long it is remembered what was added, after the last message of all or of the user: 30 days. Entries that wait longer than
 * that count no more.
 */
const KEPT_MS = 30 * 86_400_000

/** The fields of an entry: its names, each with its value. */
function fieldsOf ({ connectionId, userId, to, data, ts, id, traceparent }: InboundMessage): Array<string | Buffer> {
  const fields = ['connection_id', connectionId, 'user_id', userId, 'to', to, 'data', data.bytes, 'ts', ts.toISOString()]
  if (id !== undefined) fields.push('id', id)
  if (traceparent !== undefined) fields.push('traceparent', traceparent)
  return fields
}

/** Inbound messages as entries of a Redis stream, which the back end reads and deletes. */
export function createRedisInbound ({ client, prefix, bounds, onUncounted, timeoutMs = 1000 }: RedisInboundOptions): Inbound {
  const stream = inboundStream(prefix)
  const run = createScriptRunner(client, timeoutMs)
  let closed = false
  return {
    async append (message) {
      if (closed) throw new Error('inbound is closed')
      const keys = [stream, ...inboundCounts(prefix, message.userId)]
      const limits = [bounds.maxEntries, bounds.maxBytes, bounds.maxUserBytes, inboundCost(message), KEPT_MS]
      const reply = await run(appendInbound, keys, [...limits, ...fieldsOf(message)])
      const outcome = OUTCOMES.get(reply)
      if (outcome === undefined) throw new UnexpectedReply(appendInbound.name, '-1 to 2')
      if (reply === UNCOUNTED) onUncounted?.()
      return outcome
    },
    close () { closed = true }
  }
}
