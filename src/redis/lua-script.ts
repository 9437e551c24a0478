import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { waitAtMost } from './bounded-wait.js'

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
  evalsha (sha: string, keyCount: number, ...rest: Array<string | number | Buffer>): Promise<unknown>
  eval (text: string, keyCount: number, ...rest: Array<string | number | Buffer>): Promise<unknown>
}

/** Runs scripts on one node, also of a cluster: those that touch no key. */
export function scriptsOn (node: Pick<ScriptClient, 'evalsha' | 'eval'>): ScriptClient {
  return {
    isCluster: false,
    evalsha: async (sha, keyCount, ...rest) => await node.evalsha(sha, keyCount, ...rest),
    eval: async (text, keyCount, ...rest) => await node.eval(text, keyCount, ...rest)
  }
}

type CallArguments = readonly [keys: readonly string[], args: ReadonlyArray<string | number | Buffer>]

/** Runs a script; rejects when Redis answers with an error, is away, or does not answer in time. */
export type RunScript = (script: LuaScript, ...[keys, args]: CallArguments) => Promise<unknown>

const INCLUDE = /^ *-- include(?: where (\w+))?: (.+)$/gm

/**
 * Reads the script `<folder><name>.lua`, putting the files named by its `-- include:` lines in their place, as far as `parts` has what
 * they are for; an included file may include others of its folder's, in the same form. Throws when one cannot be read.
 */
export function readLuaScript (folder: URL, name: string, parts: ReadonlySet<string> = new Set()): LuaScript {
  const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8')
  const fill = (text: string): string => text.replace(INCLUDE, (_line, part: string | undefined, file: string) =>
    part === undefined || parts.has(part) ? fill(read(`include/${file}`)) : '')
  return createLuaScript(name, fill(read(`${name}.lua`)))
}

/** A script of this text. */
export function createLuaScript (name: string, text: string): LuaScript {
  return { name, text, sha: createHash('sha1').update(text).digest('hex') }
}

/**
 * Makes what runs scripts by their hash, and by their text when Redis has lost them (restarted, failed over, flushed).
 * `timeoutMs` bounds a call with all that the client does on its behalf: on a cluster that may be several commands.
 */
export function createScriptRunner (client: ScriptClient, timeoutMs: number): RunScript {
  return async (script, keys, args) => await waitAtMost(send(client, script, keys, args), timeoutMs, `${script.name}.lua`)
}

async function send (client: ScriptClient, { text, sha }: LuaScript, ...[keys, args]: CallArguments): Promise<unknown> {
  try {
    return await client.evalsha(sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return await client.eval(text, keys.length, ...keys, ...args)
  }
}
