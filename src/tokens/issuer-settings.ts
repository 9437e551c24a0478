import type { IssuerConfig } from './issuer-config.js'

/** Where an operator writes what an issuer's tokens are held against. */
export interface IssuerSettingNames {
  readonly issuer: string
  readonly audience: string
  readonly lifetime: string
  readonly assurance: string
  readonly authAge: string
}

const OF_ALL = { lifetime: 'JWT_MAX_LIFETIME_S', assurance: 'JWT_ACR', authAge: 'JWT_MAX_AUTH_AGE_S' }

/** The names of the settings of one issuer: those of all where it has none of its own. */
export function nameSettings ({ preset, name, ...its }: IssuerConfig): IssuerSettingNames {
  if (preset === 'keycloak') return { ...OF_ALL, issuer: 'KEYCLOAK_ISSUER_URL', audience: 'KEYCLOAK_CLIENT_ID' }
  if (preset === 'supabase') return { ...OF_ALL, issuer: 'SUPABASE_ISSUER', audience: 'what the Supabase preset wants' }
  if (name === 'oidc') return { ...OF_ALL, issuer: 'JWT_ISSUER', audience: 'JWT_AUDIENCE' }
  const own = (member: string): string => `"${member}" of ${name} in ISSUERS`
  return {
    issuer: own('issuer'),
    audience: own('audience'),
    lifetime: its.maxLifetimeMs === undefined ? OF_ALL.lifetime : own('max_lifetime_s'),
    assurance: its.assurance === undefined ? OF_ALL.assurance : own('acr'),
    authAge: its.maxAuthAgeMs === undefined ? OF_ALL.authAge : own('max_auth_age_s')
  }
}
