import type { HistorySettings } from '../../history/history.js'
import { fillPlace, formatSettings } from '../../history/publish-script.js'
import { readLuaScript, type LuaScript } from '../../redis/lua-script.js'
import type { LimitSettings } from '../limiter.js'
import { subWindowMs } from '../sub-window.js'

export type ScriptName =
  | 'admit' | 'renew' | 'release' | 'take-grant' | 'settle'
  | 'keep-records' | 'find-lost-records' | 'forget-records' | 'read-limits'

/** What attempts are decided by; the limits of messages are none of it. */
export type AdmitSettings = Pick<LimitSettings, 'addressConnections' | 'addressWindowMs' | 'userConnections' | 'leaseMs'>

export interface AdmitParts {
  /** How long records stay after the last one came, in ms; 0: none are kept by this script. */
  readonly recordsKeptMs: number
  /** How much is remembered of users' own topics, which are read beside the limits; null: none are. */
  readonly history: HistorySettings | null
}

/** A node's records stay in Redis for a day after the last one came: other processes have that long to find them. */
export const RECORDS_KEPT_MS = 86_400_000
const FOLDER = new URL('./lua/', import.meta.url)

/** Reads one of the limits' scripts; that of attempts has its settings in its text, so for it there is `loadAdmitScript`. */
export function loadScript (name: Exclude<ScriptName, 'admit'>): LuaScript {
  return readLuaScript(FOLDER, name)
}

/**
 * The script that decides attempts by these settings: they stand in its text, which so has no more than they need, and each call is
 * spared of them. Throws RangeError for a setting that is no whole number.
 */
export function loadAdmitScript (settings: AdmitSettings, { recordsKeptMs, history }: AdmitParts): LuaScript {
  const widthMs = subWindowMs(settings.addressConnections, settings.addressWindowMs, 0)
  const parts = new Set([widthMs === 0 ? 'exact' : 'counted', ...(history === null ? [] : ['topics'])])
  const limits = formatLimits(settings, widthMs, recordsKeptMs)
  return fillPlace(readLuaScript(FOLDER, 'admit', parts), history === null ? limits : limits + formatSettings(history))
}

/** The script of a process that keeps records; on a cluster these and topics have calls of their own. `history`: as above. */
export function loadOwnAdmitScript (settings: AdmitSettings, history: HistorySettings | null, isCluster: boolean): LuaScript {
  return loadAdmitScript(settings, isCluster ? { recordsKeptMs: 0, history: null } : { recordsKeptMs: RECORDS_KEPT_MS, history })
}

/** As numbers, and as the text in which commands take them: Lua would write each anew for each command. */
function formatLimits (settings: AdmitSettings, widthMs: number, keptMs: number): string {
  const { addressConnections, addressWindowMs, userConnections, leaseMs } = settings
  const numbers = [addressConnections, addressWindowMs, widthMs, userConnections, leaseMs, keptMs]
  const wrong = numbers.find(number => !Number.isSafeInteger(number))
  if (wrong !== undefined) throw new RangeError(`the script of attempts takes whole numbers, not ${wrong}`)
  return `local LIMIT, WINDOW, WIDTH, SLOTS, LEASE, KEEP = ${numbers.join(', ')}
local OLDEST, WINDOW_TEXT, LEASE_TEXT, KEEP_TEXT = '${-addressConnections}', '${addressWindowMs}', '${leaseMs}', '${keptMs}'
`
}
