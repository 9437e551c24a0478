import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RedisClient } from './channels.js'

/** A Lua script at hand: runs by its hash, and sends its text only to a Redis that does not know it. */
export type RunScript = (client: RedisClient, keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>

/** Reads a Lua script once. Throws when the file cannot be read. */
export function loadScript (file: URL): RunScript {
  const text = readFileSync(file, 'utf8')
  const sha = createHash('sha1').update(text).digest('hex')
  return async (client, keys, args) => {
    try {
      return await client.evalsha(sha, keys.length, ...keys, ...args)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return await client.eval(text, keys.length, ...keys, ...args)
    }
  }
}
