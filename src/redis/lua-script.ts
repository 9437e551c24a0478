import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path/posix'

/** A Lua script, its includes filled in, and the hash under which Redis keeps it. */
export interface LuaScript {
  /** Of its file, without `.lua`. */
  readonly name: string
  readonly text: string
  readonly sha: string
}

/** The part of ioredis that runs scripts. */
export interface ScriptClient {
  /** A call may then touch one slot only. */
  readonly isCluster: boolean
  evalsha (sha: string, keyCount: number, ...rest: Array<string | number>): Promise<unknown>
  eval (text: string, keyCount: number, ...rest: Array<string | number>): Promise<unknown>
}

/** Reads a script once, putting the files named by its `-- include:` lines in their place. Throws when one cannot be read. */
export function readLuaScript (file: URL): LuaScript {
  const read = (one: URL): string => readFileSync(one, 'utf8')
  const text = read(file).replace(/^-- include: (.+)$/gm, (_line, name: string) => read(new URL(`include/${name}`, file)))
  return { name: basename(file.pathname, '.lua'), text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Runs a script by its hash, and by its text when Redis has lost it (restarted, failed over, flushed). */
export async function runLuaScript (
  client: Pick<ScriptClient, 'eval' | 'evalsha'>, { text, sha }: LuaScript, keys: readonly string[], args: ReadonlyArray<string | number>
): Promise<unknown> {
  try {
    return await client.evalsha(sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return await client.eval(text, keys.length, ...keys, ...args)
  }
}
