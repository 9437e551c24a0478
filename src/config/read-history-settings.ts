import type { HistorySettings } from '../history/history.js'
import { toHistory } from './build-config.js'
import { ConfigError } from './config-error.js'
import { readSettings } from './read-settings.js'

/** What a back end has to know of the gateway's settings to publish by its Redis. */
export interface PublisherSettings {
  readonly prefix: string
  readonly history: HistorySettings
}

const READ_HERE = /^(WS_HISTORY_|REDIS_KEY_PREFIX$)/

/** Reads them, and no other setting. @throws ConfigError naming each of them that is wrong. */
export function readHistorySettings (env: Readonly<Record<string, string | undefined>>): PublisherSettings {
  const { values, errors } = readSettings({ ...env })
  const wrong = errors.filter(({ setting }) => READ_HERE.test(setting))
  if (wrong.length > 0) throw new ConfigError(wrong)
  return { prefix: values.REDIS_KEY_PREFIX, history: toHistory(values) }
}
