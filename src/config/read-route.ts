import type { IssuerRoute } from '../tokens/issuer-route.js'
import { readAuthorities } from './read-authorities.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingName, SettingValues } from './settings.js'

/** A proxy as other programs take it: without a scheme it is http. Null, and a report that repeats no password, where it is none. */
function readProxy (setting: SettingName, text: string | undefined, report: ReportMistake): string | null {
  if (text === undefined) return null
  const url = text.includes('://') ? text : `http://${text}`
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  report(setting, 'must be the http or https URL of a proxy')
  return null
}

/** How issuers are reached: by which proxies, and which authorities are believed beside the usual ones. */
export function readRoute (values: SettingValues, report: ReportMistake): IssuerRoute {
  const http = readProxy('HTTP_PROXY', values.HTTP_PROXY, report)
  const https = readProxy('HTTPS_PROXY', values.HTTPS_PROXY, report)
  return {
    authorities: readAuthorities('ISSUER_CA_FILE', values.ISSUER_CA_FILE, report),
    proxies: http === null && https === null ? null : { http, https, except: values.NO_PROXY ?? '' }
  }
}
