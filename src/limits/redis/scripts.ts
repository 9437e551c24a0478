import type { HistorySettings } from '../../history/history.js'
import { fillSettings } from '../../history/publish-script.js'
import { readLuaScript, type LuaScript } from '../../redis/lua-script.js'

export type ScriptName =
  | 'admit' | 'renew' | 'release' | 'take-grant' | 'settle'
  | 'keep-records' | 'find-lost-records' | 'forget-records'

/** Reads one of the limits' scripts. */
export function loadScript (name: ScriptName): LuaScript {
  return readLuaScript(new URL('./lua/', import.meta.url), name)
}

/** The script that decides attempts. Without `history` no topics are read beside them. */
export function loadAdmitScript (history: HistorySettings | null): LuaScript {
  const script = loadScript('admit')
  return history === null ? script : fillSettings(script, history)
}
