import type { RedisClient } from '../redis/client.js'
import { readFlag, readTextIntegerPairs } from '../redis/lua-reply.js'
import { createScriptRunner, readLuaScript } from '../redis/lua-script.js'

const scripts = new URL('./lua/', import.meta.url)
const keepScript = readLuaScript(scripts, 'keep-expiring')
const readScript = readLuaScript(scripts, 'read-expiring')

/** A member of an expiring set and how long it still lasts, in ms. */
export interface LastingMember {
  readonly member: string
  readonly remainingMs: number
}

export interface ExpiringSetOptions {
  readonly client: RedisClient
  readonly key: string
  readonly maxMembers: number
  /** What a full set does: refuse the new member, or make room by evicting the one that expires first. */
  readonly whenFull: 'refuse' | 'evict'
  /** How long one script call may take, 1 or more; longer rejects. */
  readonly timeoutMs: number
}

/**
 * A sorted set of members scored by when they expire, on Redis's own clock; the key expires with the last of them. All
 * calls reject when Redis does not answer.
 */
export function createExpiringSet ({ client, key, maxMembers, whenFull, timeoutMs }: ExpiringSetOptions) {
  const run = createScriptRunner(client, timeoutMs)
  return {
    /** Keeps a member for `durationMs` from now on, also one that is there already; false when the full set refuses it. */
    async keep (member: string, durationMs: number): Promise<boolean> {
      return readFlag(await run(keepScript, [key], [member, Math.ceil(durationMs), maxMembers, whenFull]), keepScript.name)
    },
    /** All that has not expired, what expires first at the front. */
    async read (): Promise<LastingMember[]> {
      const reply = await run(readScript, [key], [])
      return readTextIntegerPairs(reply, readScript.name).map(([member, remainingMs]) => ({ member, remainingMs }))
    },
    async drop (members: readonly string[]): Promise<void> {
      if (members.length > 0) await client.zrem(key, ...members)
    }
  }
}
