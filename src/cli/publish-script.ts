import { ConfigError } from '../config/config-error.js'
import { readHistorySettings } from '../config/read-history-settings.js'
import { loadPublishScript } from '../history/publish-script.js'

export type ScriptAnswer = { readonly ok: true, readonly text: string } | { readonly ok: false, readonly reason: string }

/** The script that back ends publish by, with the settings filled in; of them only those of the history have to be right. */
export function readPublishScript (env: NodeJS.ProcessEnv): ScriptAnswer {
  try {
    return { ok: true, text: loadPublishScript(readHistorySettings(env).history).text }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { ok: false, reason: error.message }
  }
}
