import { ConfigError } from '../../config/config-error.js'
import { withoutAudience } from '../../config/logout-audiences.js'
import { loadConfig, unknownSettings } from '../../config/load-config.js'
import type { Config } from '../../config/config.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

export interface CheckedSettings {
  /** Null: a start would refuse these settings. */
  readonly config: Config | null
  readonly verdicts: readonly Verdict[]
}

/** A message that a frame can carry, and that never has room, is refused as if it had room later. */
function roomTooSmall ({ access: { inbound }, server: { maxFrameBytes } }: Config): Array<readonly [boolean, string]> {
  const { maxBytes, maxUserBytes } = inbound
  const rooms = [['WS_INBOUND_MAX_BYTES', maxBytes], ['WS_INBOUND_USER_BYTES', maxUserBytes]] as const
  return rooms.map(([setting, bytes]) =>
    [bytes < maxFrameBytes, `${setting}: less than WS_MAX_FRAME_BYTES (${maxFrameBytes}): a longer message never has room`])
}

function warnings (config: Config): Verdict[] {
  const risky: ReadonlyArray<readonly [boolean, string]> = [
    [config.insecureUntilMs !== null, 'ALLOW_INSECURE_WS: connections without a token are let in until ALLOW_INSECURE_WS_UNTIL'],
    [config.limits.dryRun, 'WS_LIMITS_MODE=dry-run: the limits refuse nobody'],
    [config.upgrade.anyOrigin, 'WS_ALLOWED_ORIGINS=*: a page of any origin may connect'],
    [config.tickets.publicUrl === null, 'PUBLIC_URL is not set: a proof (DPoP) at /v1/tickets must name the scheme and Host of its request, or what a trusted proxy says of them'],
    ...roomTooSmall(config),
    [config.limits.onRedisDown === 'open' && config.redis !== null, 'WS_LIMITS_ON_REDIS_DOWN=open: without Redis nothing is limited']
  ]
  const unheard = withoutAudience(config).map(({ reason }) => reason)
  return [...risky.filter(([holds]) => holds).map(([, reason]) => reason), ...unheard].map(reason => warn('settings', reason))
}

/** Reads the settings as a start does, and names each fault, each unknown name, and what is allowed but risky. */
export function checkSettings (env: NodeJS.ProcessEnv): CheckedSettings {
  const unknown = unknownSettings(env).map(name => warn('settings', `${name} is no setting: it is ignored`))
  try {
    const config = loadConfig(env)
    return { config, verdicts: [ok('settings', 'a start accepts them'), ...unknown, ...warnings(config)] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { config: null, verdicts: [...error.errors.map(({ setting, reason }) => fail('settings', `${setting}: ${reason}`)), ...unknown] }
  }
}
