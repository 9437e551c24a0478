import { MAX_EVENT_BYTES } from '../bus/bus-message.js'
import { createLuaScript, readLuaScript, type LuaScript } from '../redis/lua-script.js'
import type { HistorySettings } from './history.js'

const FOLDER = new URL('./lua/', import.meta.url)
const PLACE = '-- settings\n'

/** A script of the history with the settings filled in: all who publish to a topic must do so by the same ones. */
export function loadHistoryScript (name: 'publish-event' | 'read-heads' | 'read-events' | 'renew', settings: HistorySettings): LuaScript {
  return fillSettings(readLuaScript(FOLDER, name), settings)
}

/** A script that includes parts of the history's, with the settings filled in. */
export function fillSettings ({ name, text }: LuaScript, settings: HistorySettings): LuaScript {
  if (!text.includes(PLACE)) throw new Error(`${name}.lua has no place for the settings`)
  return createLuaScript(name, text.replace(PLACE, formatSettings(settings)))
}

/** What back ends publish events by, and the gateway itself: `portcullis publish-script` prints its text. */
export function loadPublishScript (settings: HistorySettings): LuaScript {
  return loadHistoryScript('publish-event', settings)
}

function formatSettings ({ events, keepMs, maxBytes, metaMs }: HistorySettings): string {
  const most = [...events].map(([kind, count]) => `['${kind}'] = ${count}`).join(', ')
  return `local KEEP_MS, META_MS, MOST_BYTES, MOST_EVENT_BYTES = ${keepMs}, ${metaMs}, ${maxBytes}, ${MAX_EVENT_BYTES}
local MOST_EVENTS = { ${most} }
`
}
