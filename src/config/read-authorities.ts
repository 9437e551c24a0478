import { X509Certificate } from 'node:crypto'
import { readPem } from './read-pem.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingName } from './settings.js'

/** The text of a PEM file of authorities, when it begins with a certificate that can be read; else null, and a report of the setting. */
export function readAuthorities (setting: SettingName, file: string | undefined, report: ReportMistake): string | null {
  return readPem(setting, file, pem => new X509Certificate(pem).raw.length > 0 ? pem : null, 'PEM certificate', report)
}
