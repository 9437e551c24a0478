import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export type ScriptName = 'admit' | 'renew' | 'release' | 'take-grant' | 'settle'

/** A Lua script, its includes filled in, and the name under which Redis keeps it. */
export interface LuaScript {
  readonly name: ScriptName
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

/** Runs a script; rejects when Redis answers with an error, is away, or does not answer in time. */
export type RunScript = (script: LuaScript, keys: readonly string[], args: ReadonlyArray<string | number>) => Promise<unknown>

/** Redis did not answer within the time allowed; whether it ran the script is not known. */
export class ScriptTimeout extends Error {
  override readonly name = 'ScriptTimeout'
}

/** Reads `lua/<name>.lua`, putting the files named by its `-- include:` lines in their place. */
export function loadScript (name: ScriptName): LuaScript {
  const text = readLua(`${name}.lua`).replace(/^-- include: (.+)$/gm, (_line, file: string) => readLua(`include/${file}`))
  return { name, text, sha: createHash('sha1').update(text).digest('hex') }
}

function readLua (file: string): string {
  return readFileSync(new URL(`./lua/${file}`, import.meta.url), 'utf8')
}

/**
 * Runs scripts by their hash, and by their text when Redis has lost it (restarted, failed over, flushed). `timeoutMs`
 * bounds a call with all that the client does on its behalf: on a cluster that may be several commands.
 */
export function createScriptRunner (client: ScriptClient, timeoutMs: number): RunScript {
  const run: RunScript = async (script, keys, args) => {
    try {
      return await client.evalsha(script.sha, keys.length, ...keys, ...args)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return await client.eval(script.text, keys.length, ...keys, ...args)
    }
  }
  return async (script, keys, args) => await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new ScriptTimeout(`${script.name} was not answered in ${timeoutMs} ms`))
    }, timeoutMs)
    run(script, keys, args).then(resolve, reject).finally(() => { clearTimeout(timer) })
  })
}
