import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ReportMistake } from './read-settings.js'
import type { SettingName } from './settings.js'

/** The text of a PEM file of authorities, when it begins with a certificate that can be read; else null, and a report of the setting. */
export function readAuthorities (setting: SettingName, file: string | undefined, report: ReportMistake): string | null {
  if (file === undefined) return null
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch {
    report(setting, 'the file cannot be read')
    return null
  }
  try {
    return new X509Certificate(pem).raw.length > 0 ? pem : null
  } catch {
    report(setting, 'the file holds no PEM certificate')
    return null
  }
}
