import { readLuaScript, runLuaScript, type LuaScript, type ScriptClient } from '../../redis/lua-script.js'

export type ScriptName =
  | 'admit' | 'renew' | 'release' | 'take-grant' | 'settle'
  | 'keep-records' | 'find-lost-records' | 'forget-records'

/** Runs a script; rejects when Redis answers with an error, is away, or does not answer in time. */
export type RunScript = (script: LuaScript, keys: readonly string[], args: ReadonlyArray<string | number>) => Promise<unknown>

/** Redis did not answer within the time allowed; whether it ran the script is not known. */
export class ScriptTimeout extends Error {
  override readonly name = 'ScriptTimeout'
}

/** Reads one of the limits' scripts. */
export function loadScript (name: ScriptName): LuaScript {
  return readLuaScript(new URL(`./lua/${name}.lua`, import.meta.url))
}

/** Runs scripts. `timeoutMs` bounds a call with all that the client does on its behalf: on a cluster that may be several commands. */
export function createScriptRunner (client: ScriptClient, timeoutMs: number): RunScript {
  return async (script, keys, args) => await new Promise((resolve, reject) => {
    const timer = setTimeout(() => { reject(new ScriptTimeout(`not answered in ${timeoutMs} ms`)) }, timeoutMs)
    runLuaScript(client, script, keys, args).then(resolve, reject).finally(() => { clearTimeout(timer) })
  })
}
