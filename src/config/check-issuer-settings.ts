import type { ReportMistake } from './read-settings.js'
import type { SettingName } from './settings.js'

const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** Reports algorithms that no issuer may use. */
export function checkAlgorithms (setting: SettingName, algorithms: readonly string[], report: ReportMistake): void {
  for (const algorithm of algorithms) {
    if (/^HS/i.test(algorithm)) report(setting, 'symmetric algorithms are not accepted; legacy Supabase projects opt in by SUPABASE_JWT_SECRET')
    else if (!ASYMMETRIC.includes(algorithm)) report(setting, `unknown algorithm ${JSON.stringify(algorithm.slice(0, 40))}; known: ${ASYMMETRIC.join(', ')}`)
  }
}

/** Keys that come over plain http can be swapped on the way, so http is for loopback, or for those who say that they know. */
export function checkUrl (setting: SettingName, url: string, allowHttp: boolean, report: ReportMistake): void {
  if (!URL.canParse(url)) return report(setting, 'must be a URL')
  const { protocol, hostname, username, password } = new URL(url)
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
  if (username !== '' || password !== '') report(setting, 'must not hold credentials')
  if (protocol === 'http:' && !loopback && !allowHttp) report(setting, 'http is for loopback only; use https, or set JWKS_ALLOW_HTTP=true')
  else if (protocol !== 'http:' && protocol !== 'https:') report(setting, 'must be an http or https URL')
}
