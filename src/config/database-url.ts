import { readDatabaseUrl } from '../access/postgres/read-url.js'
import { namesAuthorities, withAuthorities } from '../access/postgres/with-authorities.js'
import { readAuthorities } from './read-authorities.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingValues } from './settings.js'

/** Where the database is, and by which authorities it is verified; null: nowhere. */
export function databaseUrlOf ({ DATABASE_URL: url, DATABASE_CA_FILE: file }: SettingValues): string | null {
  return url === undefined || file === undefined ? url ?? null : withAuthorities(url, file)
}

/** Checks both settings. The reasons repeat nothing of the URL, as it holds a password. */
export function checkDatabaseUrl (values: SettingValues, report: ReportMistake): void {
  const { DATABASE_URL: url, DATABASE_CA_FILE: file } = values
  if (url === undefined) return
  const isTwice = file !== undefined && namesAuthorities(url)
  if (isTwice) report('DATABASE_CA_FILE', 'stands instead of `sslrootcert` in DATABASE_URL, not beside it')
  const isRead = !isTwice && readAuthorities('DATABASE_CA_FILE', file, report) !== null
  try {
    // A file that cannot be read is told by its own setting.
    readDatabaseUrl(isRead ? databaseUrlOf(values) ?? url : url)
  } catch (error) {
    report('DATABASE_URL', `must be a postgres:// URL: ${error instanceof Error ? error.message : 'it cannot be read'}`)
  }
}
