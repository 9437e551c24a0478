import { readLuaScript, type LuaScript } from '../../redis/lua-script.js'

export type ScriptName =
  | 'admit' | 'renew' | 'release' | 'take-grant' | 'settle'
  | 'keep-records' | 'find-lost-records' | 'forget-records'

/** Reads one of the limits' scripts. */
export function loadScript (name: ScriptName): LuaScript {
  return readLuaScript(new URL('./lua/', import.meta.url), name)
}
