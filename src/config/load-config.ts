import type { BlockList } from 'node:net'
import { availableParallelism } from 'node:os'
import { buildConfig } from './build-config.js'
import { ConfigError } from './config-error.js'
import type { Config } from './config.js'
import { checkRules, MAX_WORKERS } from './config-rules.js'
import { readInsecureUntil } from './insecure-until.js'
import { readRoute } from './read-route.js'
import { readNetworks } from './networks.js'
import { readIssuers } from './read-issuers.js'
import { readSettings, type ReportMistake } from './read-settings.js'
import { SETTINGS, type SettingValues } from './settings.js'

/** Settings whose names start like ours but are none of ours: likely misspelt. For a warning: platforms have variables of their own. */
export function unknownSettings (env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter(name => /^(WS|JWT|JWKS|KEYCLOAK|SUPABASE)_/.test(name) && !Object.hasOwn(SETTINGS, name))
}

/**
 * Turns the environment into a configuration.
 * @throws ConfigError naming every wrong, missing or unsafe setting at once.
 */
export function loadConfig (env: NodeJS.ProcessEnv, nowMs = Date.now()): Config {
  const { values, errors } = readSettings(env)
  const mistakes = [...errors]
  const wrong = new Set(errors.map(error => error.setting))
  // The rules across settings read values of the right type, so a bad one counts as unset for them, and is named once.
  const sound = wrong.size === 0
    ? values
    : readSettings(Object.fromEntries(Object.entries(env).filter(([name]) => !wrong.has(name.toUpperCase())))).values
  const config = assemble(sound, nowMs, (setting, reason) => { if (!wrong.has(setting)) mistakes.push({ setting, reason }) })
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return config
}

function assemble (values: SettingValues, nowMs: number, report: ReportMistake): Config {
  const workers = values.WORKERS === 'auto' ? Math.min(MAX_WORKERS, availableParallelism()) : Number(values.WORKERS)
  const issuers = readIssuers(values, report)
  const insecureUntilMs = readInsecureUntil(values, nowMs, report)
  const accessIssuers = new Set([...values.WS_ACCESS_ISSUER, ...issuers.flatMap(({ name, rights }) => rights === true ? [name] : [])])
  checkRules({ values, issuers, accessIssuers, workers }, report)
  const networksOf = (setting: 'TRUSTED_PROXIES' | 'WS_IP_ALLOW_LIST'): BlockList | null => values[setting].length === 0
    ? null
    : readNetworks(values[setting], (entry, reason) => { report(setting, `${JSON.stringify(entry.slice(0, 60))} ${reason}`) })
  return buildConfig({
    values, issuers, route: readRoute(values, report), accessIssuers, workers, insecureUntilMs, trustedProxies: networksOf('TRUSTED_PROXIES'), allowList: networksOf('WS_IP_ALLOW_LIST')
  })
}
