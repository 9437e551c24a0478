import type { RedisClient } from '../bus/channels.js'
import { readLuaScript, runLuaScript } from '../redis/lua-script.js'

const keepScript = readLuaScript(new URL('./lua/keep-expiring.lua', import.meta.url))
const readScript = readLuaScript(new URL('./lua/read-expiring.lua', import.meta.url))

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
}

/**
 * A sorted set of members scored by when they expire, on Redis's own clock; the key expires with the last of them. All
 * calls reject when Redis does not answer.
 */
export function createExpiringSet ({ client, key, maxMembers, whenFull }: ExpiringSetOptions) {
  return {
    /** Keeps a member for `durationMs` from now on, also one that is there already; false when the full set refuses it. */
    async keep (member: string, durationMs: number): Promise<boolean> {
      return await runLuaScript(client, keepScript, [key], [member, Math.ceil(durationMs), maxMembers, whenFull]) === 1
    },
    /** All that has not expired, what expires first at the front. */
    async read (): Promise<LastingMember[]> {
      const reply = await runLuaScript(client, readScript, [key], [])
      if (!Array.isArray(reply)) throw new Error('unexpected reply')
      const flat: readonly unknown[] = reply
      return Array.from({ length: flat.length / 2 }, (_, n) => ({ member: String(flat[2 * n]), remainingMs: Number(flat[2 * n + 1]) }))
    },
    async drop (members: readonly string[]): Promise<void> {
      if (members.length > 0) await client.zrem(key, ...members)
    }
  }
}
