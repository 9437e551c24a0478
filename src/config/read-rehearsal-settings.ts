import type { BlockList } from 'node:net'
import type { LimitSettings } from '../limits/limiter.js'
import { ConfigError } from './config-error.js'
import { readNetworks } from './networks.js'
import { readSettings, type SettingError } from './read-settings.js'
import { andList } from '../list-words.js'

/** The limits that a log tells enough about to be tried in another size. */
export const REHEARSED_SETTINGS = [
  'WS_IP_CONNECTIONS', 'WS_IP_WINDOW_S', 'WS_USER_CONNECTIONS', 'WS_IP_ALLOW_LIST', 'WS_IP_MESSAGES', 'WS_MESSAGE_WINDOW_S'
] as const

export interface RehearsalSettings extends Omit<LimitSettings, 'leaseMs'> {
  readonly allowList: BlockList | null
}

const SECOND_MS = 1000
const isRehearsed = (name: string): boolean => REHEARSED_SETTINGS.some(each => each === name)

/** `NAME=VALUE` entries as an environment. @throws ConfigError naming what is none, and what cannot be rehearsed. */
function readOverrides (entries: readonly string[]): Record<string, string> {
  const wrong: SettingError[] = []
  const overrides: Record<string, string> = {}
  for (const entry of entries) {
    const at = entry.indexOf('=')
    const name = at === -1 ? entry : entry.slice(0, at)
    if (at === -1) wrong.push({ setting: name, reason: 'wanted NAME=VALUE; files stand before --with' })
    else if (!isRehearsed(name)) wrong.push({ setting: name, reason: `cannot be rehearsed; ${andList(REHEARSED_SETTINGS)} can` })
    else overrides[name] = entry.slice(at + 1)
  }
  if (wrong.length > 0) throw new ConfigError(wrong)
  return overrides
}

/**
 * The limits of the environment, with other values for some of them; no other setting is looked at.
 * @throws ConfigError naming each that is wrong.
 */
export function readRehearsalSettings (env: NodeJS.ProcessEnv, entries: readonly string[]): RehearsalSettings {
  const { values, errors } = readSettings({ ...env, ...readOverrides(entries) })
  const wrong = errors.filter(({ setting }) => isRehearsed(setting))
  const allowList = readNetworks(values.WS_IP_ALLOW_LIST, (entry, reason) => {
    wrong.push({ setting: 'WS_IP_ALLOW_LIST', reason: `${entry}: ${reason}` })
  })
  if (wrong.length > 0) throw new ConfigError(wrong)
  return {
    addressConnections: values.WS_IP_CONNECTIONS,
    addressWindowMs: values.WS_IP_WINDOW_S * SECOND_MS,
    userConnections: values.WS_USER_CONNECTIONS,
    messages: values.WS_IP_MESSAGES,
    messageWindowMs: values.WS_MESSAGE_WINDOW_S * SECOND_MS,
    allowList: values.WS_IP_ALLOW_LIST.length === 0 ? null : allowList
  }
}
