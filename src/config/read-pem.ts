import { readFileSync } from 'node:fs'
import type { ReportMistake } from './read-settings.js'
import type { SettingName } from './settings.js'

/**
 * Reads a file as text, which no DER survives, and what it holds; null when either fails, which is then reported. What the
 * file says is never repeated.
 */
export function readPem<T> (
  setting: SettingName, file: string | undefined, parse: (pem: string) => T, wanted: string, report: ReportMistake
): T | null {
  if (file === undefined) return null
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch {
    report(setting, 'the file cannot be read')
    return null
  }
  try {
    return parse(pem)
  } catch {
    report(setting, `the file holds no ${wanted}`)
    return null
  }
}
