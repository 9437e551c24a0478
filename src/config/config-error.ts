import { CannotStart } from '../cannot-start.js'
import type { SettingError } from './read-settings.js'

/** The process refuses to start: every wrong or missing setting, each with its reason. */
export class ConfigError extends CannotStart {
  constructor (readonly errors: readonly SettingError[]) {
    super(`${errors.length} wrong or missing setting${errors.length === 1 ? '' : 's'}:\n` +
      errors.map(error => `  ${error.setting}: ${error.reason}`).join('\n'))
  }
}
