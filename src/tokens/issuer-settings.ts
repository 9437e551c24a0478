import type { IssuerConfig } from './issuer-config.js'

/** Where an operator writes what an issuer's tokens are held against. */
export interface IssuerSettingNames {
  readonly issuer: string
  readonly audience: string
  readonly lifetime: string
}

/** The names of the settings of one issuer: those of all where it has none of its own. */
export function nameSettings ({ preset, name, maxLifetimeMs }: IssuerConfig): IssuerSettingNames {
  const ofAll = { lifetime: 'JWT_MAX_LIFETIME_S' }
  if (preset === 'keycloak') return { ...ofAll, issuer: 'KEYCLOAK_ISSUER_URL', audience: 'KEYCLOAK_CLIENT_ID' }
  if (preset === 'supabase') return { ...ofAll, issuer: 'SUPABASE_ISSUER', audience: 'what the Supabase preset wants' }
  if (name === 'oidc') return { ...ofAll, issuer: 'JWT_ISSUER', audience: 'JWT_AUDIENCE' }
  const own = (member: string): string => `"${member}" of ${name} in ISSUERS`
  return { issuer: own('issuer'), audience: own('audience'), lifetime: maxLifetimeMs === undefined ? ofAll.lifetime : own('max_lifetime_s') }
}
