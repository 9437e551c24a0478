import { escapeControls } from '../../observe/log/log-text.js'
import type { Config } from '../../config/config.js'
import { checkDatabase } from './check-database.js'
import { checkDescriptors } from './check-descriptors.js'
import { checkIssuer } from './check-issuer.js'
import { checkPlatform } from './check-platform.js'
import { checkPorts } from './check-ports.js'
import { checkRedis } from './check-redis.js'
import { checkSettings } from './check-settings.js'
import { checkToken } from './check-token.js'
import { checkCertificate } from './check-certificate.js'
import { fail, formatJson, formatLines, isGood, type Verdict } from './verdict.js'

export interface CheckOptions {
  readonly json: boolean
  /** A token to be looked at as well; null: none. */
  readonly token: string | null
  readonly write: (text: string) => void
}

/** Everything outside the process that the configuration names, looked at side by side. */
async function checkSurroundings (config: Config, token: string | null): Promise<Verdict[]> {
  const parts = await Promise.all([
    checkPorts(config),
    ...config.tokens.issuers.map(async issuer => await checkIssuer(issuer, config.tokens)),
    checkRedis(config),
    checkDatabase(config),
    token === null ? [] : checkToken(token, config)
  ])
  return [...parts.flat(), ...checkDescriptors(config), ...checkCertificate(config.server.tls, Date.now())]
}

/**
 * Looks at the settings as a start would, and at what they name; writes a verdict and its reason for each. Resolves with
 * the exit code: 0, or 1 when something failed.
 */
export async function runCheck (env: NodeJS.ProcessEnv, { json, token, write }: CheckOptions): Promise<number> {
  const { config, verdicts } = checkSettings(env)
  const first = [checkPlatform(), ...verdicts]
  const all = config === null
    ? [...first, fail('everything else', 'was not looked at: the settings come first')]
    : [...first, ...await checkSurroundings(config, token)]
  // A key's kid, and what else comes from outside, must not reach a terminal as a command to it.
  write(escapeControls(json ? formatJson(all) : formatLines(all)))
  return isGood(all) ? 0 : 1
}
