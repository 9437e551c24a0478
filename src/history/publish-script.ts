import { MAX_EVENT_BYTES } from '../bus/bus-message.js'
import { createLuaScript, readLuaScript, type LuaScript } from '../redis/lua-script.js'
import type { HistorySettings } from './history.js'

const FOLDER = new URL('./lua/', import.meta.url)
const PLACE = '-- settings\n'

/** A script of the history with the settings filled in: all who publish to a topic must do so by the same ones. */
export function loadHistoryScript (name: 'publish-event' | 'read-heads' | 'read-events' | 'renew', settings: HistorySettings): LuaScript {
  return fillPlace(readLuaScript(FOLDER, name), formatSettings(settings))
}

/** A script with Lua's text, such as `formatSettings` writes, in the place that it has for settings. Throws where it has none. */
export function fillPlace ({ name, text }: LuaScript, settings: string): LuaScript {
  if (!text.includes(PLACE)) throw new Error(`${name}.lua has no place for the settings`)
  return createLuaScript(name, text.replace(PLACE, settings))
}

/** What back ends publish events by, and the gateway itself: `portcullis publish-script` prints its text. */
export function loadPublishScript (settings: HistorySettings): LuaScript {
  return loadHistoryScript('publish-event', settings)
}

/** How much is remembered, as the scripts of the history read it. */
export function formatSettings ({ events, keepMs, maxBytes, metaMs }: HistorySettings): string {
  const most = [...events].map(([kind, count]) => `['${kind}'] = ${count}`).join(', ')
  return `local KEEP_MS, META_MS, MOST_BYTES, MOST_EVENT_BYTES = ${keepMs}, ${metaMs}, ${maxBytes}, ${MAX_EVENT_BYTES}
local MOST_EVENTS = { ${most} }
`
}
