import type { IssuerConfig } from '../tokens/issuer-config.js'
import { checkUrl } from './check-issuer-settings.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingValues } from './settings.js'

/**
 * Has the issuer of `JWT_ISSUER`, or the only one, asked about its tokens where `JWT_INTROSPECTION_URI` says so; reports what is
 * missing or unsafe.
 */
export function withIntrospection (issuers: readonly IssuerConfig[], values: SettingValues, report: ReportMistake): IssuerConfig[] {
  const { JWT_INTROSPECTION_URI: endpoint, JWT_INTROSPECTION_CLIENT_ID: clientId, JWT_INTROSPECTION_CLIENT_SECRET: clientSecret } = values
  if (endpoint === undefined) {
    if (clientId !== undefined || clientSecret !== undefined) report('JWT_INTROSPECTION_URI', 'is needed with JWT_INTROSPECTION_CLIENT_ID and _SECRET')
    return [...issuers]
  }
  checkUrl('JWT_INTROSPECTION_URI', endpoint, values.JWKS_ALLOW_HTTP, report)
  if (clientId === undefined) report('JWT_INTROSPECTION_CLIENT_ID', 'is needed with JWT_INTROSPECTION_URI')
  if (clientSecret === undefined) report('JWT_INTROSPECTION_CLIENT_SECRET', 'is needed with JWT_INTROSPECTION_URI')
  const asked = issuers.length === 1 ? issuers[0] : issuers.find(({ name }) => name === 'oidc')
  if (asked === undefined) report('JWT_INTROSPECTION_URI', 'is of JWT_ISSUER, or of the only issuer')
  if (asked?.introspection != null) report('JWT_INTROSPECTION_URI', 'is given already by KEYCLOAK_INTROSPECT=true, or in ISSUERS')
  const introspection = { endpoint, clientId: clientId ?? '', clientSecret: clientSecret ?? '' }
  return issuers.map(issuer => issuer === asked ? { ...issuer, introspection } : issuer)
}
