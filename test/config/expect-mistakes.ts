import type { Test } from 'tap'
import { ConfigError } from '../../src/config/config-error.js'
import { loadConfig } from '../../src/config/load-config.js'
import type { SettingError } from '../../src/config/read-settings.js'

/** The least that starts. */
export const LEAST = { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'gateway' }

/** When the tests load: the end of break-glass is judged by it. */
export const NOW_MS = Date.parse('2030-01-31T12:00:00Z')

/** The mistakes that `loadConfig` names; fails the test when it names none. */
export function expectMistakes (t: Test, env: NodeJS.ProcessEnv): readonly SettingError[] {
  try {
    loadConfig(env, NOW_MS)
  } catch (error) {
    if (error instanceof ConfigError) return error.errors
    throw error
  }
  t.fail('it starts')
  return []
}
